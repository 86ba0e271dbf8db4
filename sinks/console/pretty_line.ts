import type { CloudEvent } from "../../src/sink/sink.ts";
import { describeData, type Part } from "./describe_data.ts";
import { cut, type LineStyle, render, type Span, widthOf } from "./styled_text.ts";
import { columnsOf, printable, shorten } from "./terminal_text.ts";

const MARKS = {
  create: { text: "+", style: "green" },
  update: { text: "~", style: "yellow" },
  delete: { text: "-", style: "red" },
  gap: { text: "!", style: "magenta" },
  other: { text: "*", style: "cyan" },
} as const satisfies Record<string, Span>;

const TYPE_COLUMNS = "Relationship.Create".length;
const GUTTER: Span = { text: "  " };
/** On a narrower terminal the change itself gets more of the line. */
const WIDE_COLUMNS = 110;

/**
 * One event on one line for people, without the line's end:
 *
 *     18:04:05.123  ~ Twin.Update          room-101          /Temperature = 22.0
 */
export function prettyLine(event: CloudEvent, style: LineStyle): string {
  const { action, parts } = describeData(event);
  const mark = MARKS[action];
  const wide = style.columns >= WIDE_COLUMNS;
  const subjectColumns = { least: 16, most: wide ? 40 : 24 };
  const subject = shorten(printable(event.subject.replace("/relationships/", " / ")), subjectColumns.most);
  const start: Span[] = [
    { text: localTime(event.time).slice(0, wide ? undefined : "00:00:00".length), style: "dim" },
    wide ? GUTTER : { text: " " },
    mark,
    { text: " " },
    { text: pad(printable(shortType(event.type)), TYPE_COLUMNS), style: mark.style },
    GUTTER,
    { text: pad(subject, subjectColumns.least), style: "bold" },
  ];
  return render([...start, ...fitting(parts, style.columns - widthOf(start))], style);
}

/** As many parts as there is room for, and how many more there are; of the first at least the beginning. */
function fitting(parts: readonly Part[], columns: number): Span[] {
  const spans: Span[] = [];
  let left = columns;
  for (const [index, part] of parts.entries()) {
    const room = left - widthOf(more(parts.length - index - 1));
    const piece = [GUTTER, ...part];
    if (widthOf(piece) > room) {
      if (index === 0) return [...cut(piece, room), ...more(parts.length - 1)];
      return [...spans, ...more(parts.length - index)];
    }
    spans.push(...piece);
    left -= widthOf(piece);
  }
  return spans;
}

function more(count: number): Span[] {
  return count > 0 ? [{ text: `  +${count} more`, style: "dim" }] : [];
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
