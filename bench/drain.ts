/**
 * How fast a slot that holds 300,000 updates is drained: the router into a sink that keeps nothing, beside
 * `pg_recvlogical` into /dev/null, in turn, each from a slot of its own that holds the same changes.
 *
 *     deno task bench:drain [ROUNDS]
 *
 * The updates: rows of about 380 bytes with REPLICA IDENTITY FULL; one transaction of 100,000, 1,000 of 100 and 10,000
 * of 10. `pg_recvlogical` comes with PostgreSQL; without it only the router is measured.
 */
import { TwinDatabase } from "../tests/support/twin_database.ts";
import { startArguments } from "../tests/support/start_task.ts";
import { describeMachine, findProgram, median, print } from "./report.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const TWINS = 1_000;
const EVENTS = 300_000;
const PUBLICATION = "bench_pub";
const NULL_ROUTER = new URL("./null_router.ts", import.meta.url).pathname;

interface Run {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakResidentBytes: number;
}

await using database = await TwinDatabase.open({
  settings: { max_replication_slots: "30", max_wal_size: "4GB" },
});
const { server, sql } = database;
const recvlogical = await findProgram("pg_recvlogical");

print(`${describeMachine()}; PostgreSQL ${server.version}; ${ROUNDS} rounds\n`);
const end = await prepare();

const routers: Run[] = [];
const peers: Run[] = [];
for (let round = 0; round < ROUNDS; round++) {
  routers.push(await drainByRouter(`router_${round}`));
  if (recvlogical) peers.push(await drainByPeer(recvlogical, `peer_${round}`, end));
}
report("twinrouter, null sink", routers);
if (peers.length > 0) {
  report("pg_recvlogical, /dev/null", peers);
  const ratios = routers.map((run, round) => (peers[round]?.wallSeconds ?? NaN) / run.wallSeconds);
  print(`rate of the router over that of pg_recvlogical: median ${median(ratios).toFixed(2)}\n`);
}

/** Twins, a slot for each run, and the updates; gives the LSN that follows the last. */
async function prepare(): Promise<string> {
  await sql`ALTER TABLE digitaltwins."Twin" REPLICA IDENTITY FULL`;
  await sql`INSERT INTO digitaltwins."Twin" (properties) SELECT ${
    sql.unsafe(body("0"))
  } FROM generate_series(1, ${TWINS}) i`;
  await sql.unsafe(`CREATE PUBLICATION ${PUBLICATION} FOR TABLE digitaltwins."Twin"`);
  for (let round = 0; round < ROUNDS; round++) {
    for (const user of ["router", "peer"]) {
      await sql`SELECT pg_create_logical_replication_slot(${`${user}_${round}`}, 'pgoutput')`;
    }
  }
  // Every update changes a number and a time. Rows are numbered from the first one on.
  await sql.unsafe(`CREATE INDEX ON digitaltwins."Twin" ((id::bigint))`);
  await sql.unsafe(`CREATE PROCEDURE public.churn(transactions int, updates int) LANGUAGE plpgsql AS $$
    DECLARE n int := 0; i int; first bigint := (SELECT min(id::bigint) FROM digitaltwins."Twin");
    BEGIN
      FOR t IN 1..transactions LOOP
        FOR u IN 1..updates LOOP
          n := n + 1;
          i := 1 + n % ${TWINS};
          UPDATE digitaltwins."Twin" SET properties = ${body("n")} WHERE id::bigint = first + i - 1;
        END LOOP;
        COMMIT;
      END LOOP;
    END $$`);
  for (const [transactions, updates] of [[1, 100_000], [1_000, 100], [10_000, 10]] as const) {
    await sql.unsafe(`CALL public.churn(${transactions}, ${updates})`);
  }
  const [row] = await sql<{ lsn: string }[]>`SELECT pg_current_wal_insert_lsn()::text AS lsn`;
  // Something behind the last commit, so that both readers see the end pass.
  await sql`SELECT pg_logical_emit_message(false, 'bench', 'end', true)`.catch(() =>
    sql`SELECT pg_logical_emit_message(false, 'bench', 'end')`
  );
  return row?.lsn ?? "";
}

/** SQL for a twin's properties as AGE prints them, about 380 bytes. */
function body(n: string): string {
  return `('{"n": ' || ${n} || ', "$dtId": "room-' || i || '", "$etag": "W/\\"' || md5((${n})::text) || '\\"", "Humidity": 45, '
    || '"$metadata": {"n": {"lastUpdateTime": "2026-01-01T12:00:00.' || lpad((${n})::text, 7, '0') || 'Z"}, '
    || '"$model": "dtmi:example:Room;1", "Humidity": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, '
    || '"$lastUpdateTime": "2026-01-01T12:00:00.' || lpad((${n})::text, 7, '0') || 'Z"}, "Temperature": 21.5, '
    || '"description": "A room like any other"}')::ag_catalog.agtype`;
}

async function drainByRouter(slot: string): Promise<Run> {
  const child = new Deno.Command(Deno.execPath(), {
    args: startArguments(server.connectionString, slot, PUBLICATION, String(EVENTS)).with(-5, NULL_ROUTER),
    stderr: "inherit",
  });
  const started = performance.now();
  const { success, stdout } = await child.output();
  const wallSeconds = (performance.now() - started) / 1000;
  if (!success) throw new Error("The router failed");
  const { delivered, cpuSeconds, peakResidentBytes } = JSON.parse(new TextDecoder().decode(stdout));
  if (delivered !== EVENTS) throw new Error(`The router delivered ${delivered} events instead of ${EVENTS}`);
  return { wallSeconds, cpuSeconds, peakResidentBytes };
}

/** GNU time tells the CPU time and memory of a program that ends by itself. */
async function drainByPeer(program: string, slot: string, end: string): Promise<Run> {
  const time = await findProgram("time");
  const command = [
    program,
    `--dbname=${server.connectionString}`,
    `--slot=${slot}`,
    "--start",
    "--no-loop",
    `--endpos=${end}`,
    "--file=/dev/null",
    "--option=proto_version=1",
    "--option=messages=true",
    `--option=publication_names=${PUBLICATION}`,
  ];
  const [first = program, ...args] = time ? [time, "-f", "%U %S %M", ...command] : command;
  const started = performance.now();
  const { success, stderr } = await new Deno.Command(first, { args, stdout: "null", stderr: "piped" })
    .output();
  const wallSeconds = (performance.now() - started) / 1000;
  const text = new TextDecoder().decode(stderr).trim();
  if (!success) throw new Error(`${program} failed: ${text}`);
  const [user = NaN, system = NaN, kilobytes = NaN] = text.split("\n").at(-1)?.split(" ").map(Number) ?? [];
  return { wallSeconds, cpuSeconds: user + system, peakResidentBytes: kilobytes * 1024 };
}

function report(name: string, runs: readonly Run[]): void {
  const wall = runs.map(({ wallSeconds }) => wallSeconds);
  const rate = EVENTS / median(wall);
  const cpu = median(runs.map(({ cpuSeconds }) => cpuSeconds));
  const memory = median(runs.map(({ peakResidentBytes }) => peakResidentBytes)) / 1024 / 1024;
  print(
    `${name.padEnd(26)} ${median(wall).toFixed(2)} s [${Math.min(...wall).toFixed(2)}-${
      Math.max(...wall).toFixed(2)
    }], ` +
      `${Math.round(rate / 1000)}k rows/s, CPU ${cpu.toFixed(2)} s, peak RSS ${memory.toFixed(0)} MB\n`,
  );
}
