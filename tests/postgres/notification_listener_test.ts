import assert from "node:assert/strict";
import { Metrics } from "../../src/observe/metrics.ts";
import { NotificationListener } from "../../src/postgres/notification_listener.ts";
import { LogRecords } from "../support/delivery.ts";
import {
  authentication,
  commandComplete,
  type FakeBackend,
  FakePostgres,
  message,
  parameterStatus,
  readyForQuery,
  writableSession,
} from "../support/fake_postgres.ts";
import { until } from "../support/until.ts";

const timings = { heartbeat: 20, patience: 100 };
const decoder = new TextDecoder();

/** What the listener asks, one after the other, and whether this session answers. */
async function serve(
  backend: FakeBackend,
  answers: (sql: string) => boolean,
  parameters: Readonly<Record<string, string>> = writableSession,
): Promise<void> {
  const startup = await backend.readUntyped();
  if (startup.length === 12) return; // a CancelRequest
  await backend.send(authentication(0));
  for (const [name, value] of Object.entries(parameters)) await backend.send(parameterStatus(name, value));
  await backend.send(message("K", (body) => body.int32(4711).int32(1)), readyForQuery());
  for (let asked = await backend.readMessage(); asked; asked = await backend.readMessage()) {
    if (asked.type !== "Q") return;
    const sql = decoder.decode(asked.body).replace("\0", "");
    if (answers(sql)) await backend.send(commandComplete("LISTEN"), readyForQuery());
  }
}

function notification(payload: string): Uint8Array {
  return message("A", (body) => body.int32(7).cString("measured").cString(payload));
}

Deno.test("a server that falls silent is left for a new session, and the gap counts from when it last answered", async () => {
  const log = new LogRecords();
  const metrics = new Metrics();
  const asked: string[] = [];
  const heard = Promise.withResolvers<string>();
  let sessions = 0;
  await using server = new FakePostgres(async (backend) => {
    const session = ++sessions;
    await serve(backend, (sql) => {
      asked.push(`${session} ${sql}`);
      const isAnswered = session > 1 || asked.length < 3;
      if (session > 1 && sql.startsWith("LISTEN")) void backend.send(notification("hot"));
      return isAnswered;
    });
  });
  await using listener = new NotificationListener(
    server.options(),
    "measured",
    { metrics, log },
    timings,
  );
  assert.equal(listener.health().state, "connecting");
  listener.start(({ processId, payload }) => heard.resolve(`${processId} ${decoder.decode(payload)}`));
  assert.equal(await heard.promise, "7 hot");
  assert.deepEqual(asked.slice(0, 3), ['1 LISTEN "measured"', "1 SELECT 1", "1 SELECT 1"]);
  await untilListening(listener);
  assert.equal((await metrics.listening.get()).values[0]?.value, 1);

  const [down, up, gap] = log.records;
  assert.match(
    down?.message ?? "",
    /^Listening to measured is down.*Cannot hear from .*: nothing for 0\.1 s$/,
  );
  assert.match(up?.message ?? "", /^Listening to measured is up again/);
  assert.equal(gap?.message, "What was notified on measured while nobody listened is lost");
  assert(Number(gap?.fields.gapSeconds) >= 0.1, `${gap?.fields.gapSeconds}`);
  assert.equal(log.records.length, 3);
});

Deno.test("of several hosts it listens at the one that writes, whatever the stream makes do with", async () => {
  await using standby = new FakePostgres((backend) =>
    serve(backend, () => assert.fail("a standby was asked"), { ...writableSession, in_hot_standby: "on" })
  );
  const listened = Promise.withResolvers<string>();
  await using primary = new FakePostgres((backend) => serve(backend, (sql) => (listened.resolve(sql), true)));
  const options = standby.options({
    hosts: [standby.address, primary.address],
    targetSessionAttrs: "any",
  });
  await using listener = new NotificationListener(
    options,
    "measured",
    { metrics: new Metrics(), log: new LogRecords() },
    timings,
  );
  listener.start(() => {});
  assert.equal(await listened.promise, 'LISTEN "measured"');
});

Deno.test("while it is down it is ready all the same, says why, and can be ended", async () => {
  const log = new LogRecords();
  await using server = new FakePostgres(async (backend) => void await backend.readUntyped());
  await using listener = new NotificationListener(
    server.options(),
    "measured",
    { metrics: new Metrics(), log },
    timings,
  );
  listener.start(() => {});
  await until(() => listener.health().state === "interrupted", "the outage");
  const { name, ready, detail } = listener.health();
  assert.deepEqual([name, ready], ["listen.measured", true]);
  assert.match(detail ?? "", /^Cannot (connect|log in|read)/);
  await listener[Symbol.asyncDispose]();
  assert.equal(log.records.length, 1, "an outage is said once");
});

function untilListening(listener: NotificationListener): Promise<void> {
  return until(() => listener.health().state === "listening", "it to listen");
}
