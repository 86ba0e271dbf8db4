import type { DeadLetterShelf, LetterQuery, StoredLetter } from "./deliver/store/dead_letter_shelf.ts";
import type { EventFilter } from "./route/event_filter.ts";
import { WrittenEvent } from "./route/filter/filterable_event.ts";
import { JsonText } from "./twin/json_text.ts";

/** How many letters are read at once. */
const PAGE = 500;

/** How wide a column of the table is, at most. */
const WIDEST = 48;

export type DeadLetterAction = "list" | "show" | "replay" | "drop";

/** What is to be done with which dead letters. */
export interface DeadLetterOrder {
  readonly action: DeadLetterAction;
  readonly letters: Pick<LetterQuery, "ids" | "sink" | "since">;
  /** Of these letters, those whose events it matches; absent for all. */
  readonly filter?: EventFilter;
  /** JSON, one letter a line, instead of text for people. */
  readonly json: boolean;
}

/** Lists dead letters, shows them whole, has them tried again by the running router, or drops them; says so in lines. */
export async function* workDeadLetters(
  shelf: DeadLetterShelf,
  order: DeadLetterOrder,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let count = 0;
  for await (const letters of chosen(shelf, order, signal)) {
    const ids = letters.map(({ id }) => id);
    switch (order.action) {
      case "list":
        if (order.json) yield* letters.map(jsonOf);
        else yield* table(letters, count === 0);
        count += letters.length;
        break;
      case "show":
        for (const letter of letters) {
          yield order.json ? jsonOf(letter) : `${count++ > 0 ? "\n" : ""}${whole(letter)}`;
        }
        break;
      case "replay":
        count += await shelf.replay(ids);
        break;
      case "drop":
        count += await shelf.drop(ids);
        break;
      default:
        order.action satisfies never;
    }
  }
  const letters = count === 1 ? "1 dead letter" : `${count} dead letters`;
  if (order.action === "drop") yield order.json ? JSON.stringify({ dropped: count }) : `${letters} dropped`;
  if (order.action === "replay") {
    yield order.json
      ? JSON.stringify({ replayed: count })
      : `${letters} to be tried again by the running router`;
  }
  if (order.action === "list" && !order.json && count === 0) yield "No dead letters";
}

/** Each page is read after the one before has been worked on. */
async function* chosen(
  shelf: DeadLetterShelf,
  { letters: query, filter }: DeadLetterOrder,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredLetter[]> {
  for (let after = 0;;) {
    signal.throwIfAborted();
    const page = await shelf.page(query, after, PAGE);
    const wanted = filter ? page.filter(({ event }) => event !== undefined && matches(filter, event)) : page;
    if (wanted.length > 0) yield wanted;
    const last = page.at(-1);
    if (!last) return;
    after = last.id;
  }
}

function matches(filter: EventFilter, event: string): boolean {
  return filter.matches(new WrittenEvent(JsonText.parse(event)));
}

/** The event is spliced in as it is, so that its numbers keep their digits. */
function jsonOf({ event, firstTime, lastTime, ...letter }: StoredLetter): string {
  const about = JSON.stringify({ ...letter, firstTime: timeOf(firstTime), lastTime: timeOf(lastTime) });
  return event === undefined ? about : `${about.slice(0, -1)},"event":${event}}`;
}

function whole(letter: StoredLetter): string {
  const { id, sink, route = "", status, attempts, firstTime, lastTime, kind = "", reason, event = "" } =
    letter;
  return [
    `Dead letter ${id}`,
    `  sink      ${shown(sink)}`,
    `  route     ${shown(route)}`,
    `  status    ${shown(status)}`,
    `  attempts  ${attempts}, from ${timeOf(firstTime)} to ${timeOf(lastTime)}`,
    `  reason    ${kind === "" ? "" : `${shown(kind)}: `}${shown(reason)}`,
    `  event     ${shown(event)}`,
  ].join("\n");
}

function table(letters: readonly StoredLetter[], withHead: boolean): string[] {
  const rows = letters.map((letter) => {
    const { type = "", subject = "" } = attributesOf(letter);
    const { id, sink, attempts, lastTime, status, reason } = letter;
    return [`${id}`, sink, type, subject, `${attempts}`, timeOf(lastTime), status, reason].map(shown);
  });
  const head = ["ID", "SINK", "TYPE", "SUBJECT", "TRIES", "LAST TRY", "STATUS", "REASON"];
  const widths = head.map((title, column) =>
    Math.min(WIDEST, Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  );
  return [...(withHead ? [head] : []), ...rows].map((row) =>
    row.map((cell, column) => column === row.length - 1 ? cell : fitted(cell, widths[column] ?? 0)).join("  ")
      .trimEnd()
  );
}

function attributesOf({ event }: StoredLetter): { readonly type?: string; readonly subject?: string } {
  return event === undefined ? {} : JSON.parse(event);
}

function fitted(cell: string, width: number): string {
  return cell.length > width ? `${cell.slice(0, width - 1)}…` : cell.padEnd(width);
}

/** What an event or a far end says must not command the terminal. */
function shown(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, " ");
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
