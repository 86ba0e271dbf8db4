/**
 * A worker that changes twins at a steady rate. Each change has a number, counted for its twin, and the time at which it
 * was sent, so that a latency has the commit's own time in it. The schedule is absolute: what is late is made up for.
 */
import postgres, { type Sql } from "postgres";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { answerCalls } from "./remote.ts";

/** Each has twins of its own, so that the numbers of a twin are in the order of its commits. */
const CONNECTIONS = 4;
const MOST_IN_TRANSACTION = 10;
const SEED = 20_261_126;

interface Twin {
  readonly name: string;
  readonly row: string;
  changes: number;
}

let sql: Sql;
const twins: Twin[] = [];
const written = { changes: 0, transactions: 0 };
let isStopping = false;
let writing: Promise<unknown> = Promise.resolve();

/** Inserts so many twins. */
async function prepare({ connectionString, count }: { connectionString: string; count: number }) {
  sql = postgres(connectionString, { max: CONNECTIONS, onnotice: () => {} });
  await sql`CREATE INDEX ON digitaltwins."Twin" ((id::bigint))`;
  const names = Array.from({ length: count }, (_, index) => `room-${index}`);
  const rows = await sql<{ row: string }[]>`
    INSERT INTO digitaltwins."Twin" (properties)
    SELECT body::ag_catalog.agtype FROM unnest(${names.map((name) => bodyOf(name, 0, 0))}::text[]) AS body
    RETURNING id::text AS row`;
  for (const [index, { row }] of rows.entries()) twins.push({ name: names[index] ?? "", row, changes: 0 });
  await sql`VACUUM ANALYZE digitaltwins."Twin"`;
}

/** Begins to make so many changes a second. */
function start(rate: number): void {
  const began = performance.now();
  const work = Array.from(
    { length: CONNECTIONS },
    (_, index) => write(index, rate / CONNECTIONS, began + index * 1000 * MOST_IN_TRANSACTION / rate / 2),
  );
  writing = Promise.all(work);
  writing.catch(() => {}); // told by `stop`
}

async function write(index: number, rate: number, began: number): Promise<void> {
  const random = new SeededRandom(SEED + index);
  const own = twins.filter((_, number) => number % CONNECTIONS === index);
  let due = began;
  while (!isStopping) {
    const early = due - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    const changed = new Set<Twin>();
    const size = 1 + random.below(MOST_IN_TRANSACTION);
    while (changed.size < size) changed.add(random.pick(own));
    await change([...changed]);
    due += size * 1000 / rate;
  }
}

async function change(changed: readonly Twin[]): Promise<void> {
  const sentAt = Date.now();
  const bodies = changed.map((twin) => bodyOf(twin.name, ++twin.changes, sentAt));
  await sql`
    UPDATE digitaltwins."Twin" twin SET properties = new.body::ag_catalog.agtype
    FROM unnest(${changed.map(({ row }) => row)}::bigint[], ${bodies}::text[]) AS new (row, body)
    WHERE twin.id::bigint = new.row`;
  written.changes += changed.length;
  written.transactions++;
}

/** About 380 bytes, as AGE prints them. Number and time are one property, that changes each time. */
function bodyOf(name: string, number: number, sentAt: number): string {
  const time = `${new Date(sentAt).toISOString().slice(0, -1)}0000Z`;
  return `{"told": "${number} ${sentAt}", "$dtId": "${name}", "$etag": "W/\\"${
    String(sentAt * 1000 + number).padStart(32, "0")
  }\\"", "Humidity": 45, "$metadata": {"told": {"lastUpdateTime": "${time}"}, ` +
    `"$model": "dtmi:example:Room;1", "Humidity": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, ` +
    `"$lastUpdateTime": "${time}"}, "Temperature": 21.5, "description": "A room like any other"}`;
}

/** Gives the last number of each twin. */
async function stop(): Promise<ReadonlyMap<string, number>> {
  isStopping = true;
  await writing;
  await sql.end();
  return new Map(twins.map(({ name, changes }) => [name, changes]));
}

const commands = { prepare, start, progress: () => written, stop };
export type WriterCommands = typeof commands;
answerCalls(commands);
