/**
 * How long a change takes from its commit to a webhook on an idle system: single updates, each after the one before has
 * arrived. The time runs from before the UPDATE is sent, so it has the commit's own time in it.
 *
 *     deno task bench:latency [ROUNDS]
 */
import { RouterProcess } from "../tests/support/router_process.ts";
import { TemporaryFolder } from "../tests/support/temporary_folder.ts";
import { TwinDatabase } from "../tests/support/twin_database.ts";
import { describeMachine, median, print, quantile } from "./report.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const UPDATES = 500;

let arrived = (_body: string) => {};
await using receiver = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  const body = await request.text();
  if (request.method === "POST") arrived(body);
  return new Response(null, { status: 204 });
});
await using database = await TwinDatabase.open();
await using folder = await TemporaryFolder.make();
await using router = await RouterProcess.start(folder.path, {
  source: { connectionString: database.server.connectionString },
  eventSinks: { webhook: [{ name: "Hook", url: `http://127.0.0.1:${receiver.addr.port}/` }] },
});
await router.untilReadyIs(200);
const { sql } = database;

print(
  `${describeMachine()}; PostgreSQL ${database.server.version}; ${ROUNDS} rounds of ${UPDATES} updates\n`,
);
await change(() => sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${body(-1)})`);
for (let i = 0; i < 100; i++) await update(i); // The first ones load and compile code.

const p50: number[] = [];
const p99: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const latencies: number[] = [];
  for (let i = 0; i < UPDATES; i++) latencies.push(await update(i));
  p50.push(quantile(latencies, 0.5));
  p99.push(quantile(latencies, 0.99));
}
print(
  `update to webhook: p50 ${median(p50).toFixed(2)} ms, p99 ${
    median(p99).toFixed(2)
  } ms (medians of ${ROUNDS})\n`,
);
await router.stop();

function update(n: number): Promise<number> {
  return change(() => sql`UPDATE digitaltwins."Twin" SET properties = ${body(n)}`);
}

/** Milliseconds until the event of the change has arrived. */
async function change(write: () => PromiseLike<unknown>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  arrived = () => resolve(performance.now());
  const before = performance.now();
  await write();
  return await promise - before;
}

function body(n: number): string {
  return `{"n": ${n}, "$dtId": "room-1", "$metadata": {"$model": "dtmi:example:Room;1"}}`;
}
