import { messageOf } from "./observe/message_of.ts";
import type { EventFilter } from "./route/event_filter.ts";
import { WrittenEvent } from "./route/filter/filterable_event.ts";
import { JsonText, JsonTextError } from "./twin/json_text.ts";

/** What is to be filtered cannot be read, or is no event in JSON. */
export class UnreadableEventError extends Error {
  override readonly name = "UnreadableEventError";
}

/**
 * Gives those of the events that a filter matches, as they are written. The text is one event in CloudEvents' JSON
 * format, over as many lines as it likes, or one event on each line.
 * @throws {UnreadableEventError} with the line
 */
export async function* filterEvents(
  filter: EventFilter,
  lines: AsyncIterable<string>,
): AsyncGenerator<string> {
  let number = 0;
  let isFirst = true;
  /** An event that is not all on its first line. */
  const broken = { line: 0, text: "" };
  for await (const line of lines) {
    number++;
    if (broken.line > 0) {
      broken.text += `\n${line}`;
    } else if (line.trim() !== "") {
      const json = JsonText.tryParse(line);
      if (!json && isFirst) Object.assign(broken, { line: number, text: line });
      else if (isMatch(filter, json ?? parse(line, number), number)) yield line;
      isFirst = false;
    }
  }
  const { line, text } = broken;
  if (line > 0 && isMatch(filter, parse(text, line), line)) yield text.trimEnd();
}

function isMatch(filter: EventFilter, json: JsonText, line: number): boolean {
  if (json.kind !== "object") {
    throw new UnreadableEventError(`Cannot read the event in line ${line}: it is no object`);
  }
  return filter.matches(new WrittenEvent(json));
}

/** Reads JSON that begins in a line. */
function parse(text: string, line: number): JsonText {
  try {
    return JsonText.parse(text);
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    const before = text.slice(0, error.offset).split("\n");
    const place = `line ${line + before.length - 1}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    throw new UnreadableEventError(`Cannot read the event in ${place}: it is no JSON`, { cause: error });
  }
}

/**
 * A file's lines, or standard input's if it is `-`. Ends when `signal` aborts.
 * @throws {UnreadableEventError} if there is no such file
 */
export async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<string> {
  let rest = "";
  try {
    const { readable } = file === "-" ? Deno.stdin : await Deno.open(file);
    for await (const text of readable.pipeThrough(new TextDecoderStream(), { signal })) {
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    if (signal.aborted) return;
    const state = messageOf(error);
    throw new UnreadableEventError(`Cannot read events from ${file}: ${state}`, { cause: error });
  }
  if (rest !== "") yield rest;
}
