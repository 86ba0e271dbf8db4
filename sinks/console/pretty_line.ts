import type { CloudEvent } from "../../src/sink/sink.ts";
import { describeData, type Part } from "./describe_data.ts";
import { type LineStyle, render, type Span } from "./styled_text.ts";
import { columnsOf, printable, shorten } from "./terminal_text.ts";

const MARKS = {
  create: { text: "+", style: "green" },
  update: { text: "~", style: "yellow" },
  delete: { text: "-", style: "red" },
  gap: { text: "!", style: "magenta" },
  other: { text: "*", style: "cyan" },
} as const satisfies Record<string, Span>;

const TYPE_COLUMNS = "Relationship.Create".length;
const SUBJECT_COLUMNS = { least: 16, most: 40 };
const GUTTER: Span = { text: "  " };

/**
 * One event on one line for people, without the line's end:
 *
 *     18:04:05.123  ~ Twin.Update          room-101          /Temperature = 22.0
 */
export function prettyLine(event: CloudEvent, style: LineStyle): string {
  const { action, parts } = describeData(event);
  const mark = MARKS[action];
  const subject = shorten(printable(event.subject.replace("/relationships/", " / ")), SUBJECT_COLUMNS.most);
  const line: Span[] = [
    { text: localTime(event.time), style: "dim" },
    GUTTER,
    mark,
    { text: " " },
    { text: pad(printable(shortType(event.type)), TYPE_COLUMNS), style: mark.style },
    GUTTER,
    { text: pad(subject, SUBJECT_COLUMNS.least), style: "bold" },
  ];
  const used = line.reduce((sum, span) => sum + columnsOf(span.text), 0);
  line.push(...fitting(parts, style.columns - used));
  return render(line, style);
}

/** As many parts as there is room for, and how many more there are; of the first at least the beginning. */
function fitting(parts: readonly Part[], columns: number): Span[] {
  const spans: Span[] = [];
  let left = columns;
  for (const [index, part] of parts.entries()) {
    const width = GUTTER.text.length + part.reduce((sum, span) => sum + columnsOf(span.text), 0);
    const rest = parts.length - index - 1;
    const more = rest > 0 ? `  +${rest} more`.length : 0;
    if (width + more > left && index > 0) {
      spans.push({ text: `  +${rest + 1} more`, style: "dim" });
      break;
    }
    spans.push(GUTTER, ...part);
    left -= width;
  }
  return spans;
}

/** `Konnektr.DigitalTwins.Twin.Update` → `Twin.Update`; of other names the last two words. */
function shortType(type: string): string {
  const own = /(?:^|\.)DigitalTwins\.(.+)$/.exec(type)?.[1];
  return own ?? type.split(".").slice(-2).join(".");
}

function localTime(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return printable(time);
  const two = (number: number) => String(number).padStart(2, "0");
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}

function pad(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - columnsOf(text)));
}
