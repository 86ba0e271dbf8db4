import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import postgres, { type Sql } from "postgres";
import { createBuilding, FLOORS, PEOPLE, ROOMS } from "./building.ts";
import { BuildingDay } from "./building_day.ts";
import { Consumer } from "./consumer.ts";
import { type PostgresServer, startPostgres } from "./embedded_postgres.ts";
import { freePort } from "./postgres/free_port.ts";
import { Random } from "./random.ts";
import { summary } from "./summary.ts";

export interface DemoOptions {
  /** Milliseconds that the building lives, from the moment on when its changes arrive; default: until the signal. */
  readonly forMs?: number;
  /** Repeats what goes on in the building; default: chance. */
  readonly seed?: number;
  /** Ends the demo, with its summary. */
  readonly signal: AbortSignal;
  /** Runs the router with a configuration file until the signal; resolves when it has delivered, confirmed and closed. */
  readonly runRouter: (configurationFile: string, signal: AbortSignal) => Promise<void>;
}

/**
 * Shows the router at work on a machine that has nothing: a PostgreSQL of its own, a small building in it that lives,
 * and the events on the screen and at a webhook. Resolves when all has ended, and nothing is left of it; throws when
 * the router fails, or a change has not arrived.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { signal } = options;
  say(bold("Twinrouter: a small building, and its changes arriving as events"), "");
  await using server = await startPostgres({ log: (line) => say(`  ${line} …`, "") });
  await using connection = connect(server);
  const graph = await createBuilding(connection.sql);
  await using folder = await temporaryFolder();
  await using consumer = new Consumer();
  const routerUrl = `http://127.0.0.1:${freePort()}`;
  const configurationFile = join(folder.path, "events.yaml");
  await Deno.writeTextFile(configurationFile, configuration(server, consumer, routerUrl));

  const routerEnd = new AbortController();
  const routerFailed = new AbortController();
  const router = options.runRouter(configurationFile, routerEnd.signal);
  router.catch((error) => routerFailed.abort(error));
  const stop = AbortSignal.any([signal, routerFailed.signal]);
  let lived: Lived;
  try {
    await untilReady(routerUrl, stop);
    if (stop.aborted) return;
    introduce(server, routerUrl, configurationFile);
    lived = await live(new BuildingDay(graph, new Random(options.seed ?? Date.now())), stop, options.forMs);
    await untilSettled(connection.sql, routerFailed.signal);
  } finally {
    routerEnd.abort();
    await router;
  }
  const confirmedLsn = await readConfirmedLsn(connection.sql);
  say("", ...summary({ ...lived, received: consumer.received, confirmedLsn }));
  const missing = lived.changes - consumer.received.events;
  if (missing > 0) throw new Error(`Cannot show every change: ${missing} of ${lived.changes} did not arrive`);
}

function configuration(server: PostgresServer, consumer: Consumer, routerUrl: string): string {
  return `events:
  config:
    source:
      connectionString: ${server.connectionString}
    http: { port: ${new URL(routerUrl).port} }
    eventSinks:
      console: [{ name: Screen, pretty: true }]
      webhook: [{ name: Consumer, url: "${consumer.url}" }]
`;
}

/** Tells what there is, and how to join in. */
function introduce(server: PostgresServer, routerUrl: string, configurationFile: string): void {
  say(
    `  PostgreSQL     ${server.connectionString}`,
    `  Building       ${FLOORS.length} floors, ${ROOMS.length} rooms, ${PEOPLE.length} people, in the graph digitaltwins`,
    `  Router         ${routerUrl}/readyz and /metrics`,
    `  Configuration  ${configurationFile}`,
    "",
    "  Join in: change a twin with psql, and watch it arrive.",
    dim(`    psql ${server.connectionString}`),
    dim(`    UPDATE digitaltwins."Twin" SET properties = properties::jsonb || '{"temperature": 30.0}'`),
    dim(`      WHERE properties::jsonb @> '{"$dtId": "room-101"}';`),
    "",
  );
}

interface Lived {
  readonly changes: number;
  readonly seconds: number;
}

/** Milliseconds from one thing that goes on in the building to the next. */
const STEP_MS = 250;
const MOST_FAILURES = 5;

/** Lets the building live until its time is over, a few changes a second. */
async function live(day: BuildingDay, signal: AbortSignal, forMs: number | undefined): Promise<Lived> {
  const start = performance.now();
  const end = forMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(forMs)]);
  let changes = 0;
  let failures = 0;
  while (!end.aborted) {
    try {
      changes += await day.step();
      failures = 0;
    } catch (error) {
      // Who joins in may have deleted what was about to change.
      if (++failures === MOST_FAILURES) throw error;
      say(dim(`  ${error instanceof Error ? error.message : error}`));
    }
    await pause(STEP_MS, end);
  }
  return { changes, seconds: (performance.now() - start) / 1000 };
}

async function untilReady(routerUrl: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const response = await fetch(`${routerUrl}/readyz`, { signal }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    await pause(20, signal);
  }
}

/** Waits until the router has confirmed all that was written, because every sink has it; ten seconds at most. */
async function untilSettled(sql: Sql, signal: AbortSignal): Promise<void> {
  const end = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  const [last] = await sql<{ lsn: string }[]>`SELECT pg_current_wal_flush_lsn()::text AS lsn`;
  while (!end.aborted) {
    const settled = await sql`
      SELECT FROM pg_replication_slots
      WHERE slot_type = 'logical' AND confirmed_flush_lsn >= ${last?.lsn ?? "0/0"}::pg_lsn`;
    if (settled.count > 0) return;
    await pause(20, end);
  }
}

async function readConfirmedLsn(sql: Sql): Promise<string> {
  const rows = await sql<{ lsn: string }[]>`
    SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_type = 'logical'`;
  return rows[0]?.lsn ?? "0/0";
}

function connect(server: PostgresServer): AsyncDisposable & { readonly sql: Sql } {
  const sql = postgres(server.connectionString, { max: 1, onnotice: () => {} });
  return { sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) };
}

async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "twinrouter-demo-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Ends early, without an error, when the signal does. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => {});
}

function say(...lines: string[]): void {
  Deno.stdout.writeSync(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
}

function bold(text: string): string {
  return styled(1, text);
}

function dim(text: string): string {
  return styled(2, text);
}

function styled(code: number, text: string): string {
  return Deno.stdout.isTerminal() && !Deno.noColor ? `\x1b[${code}m${text}\x1b[0m` : text;
}
