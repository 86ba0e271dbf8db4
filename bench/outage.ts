/**
 * One sink down for minutes while changes go on: how the others fare, what the slot holds and the router takes
 * meanwhile, and what the sink has got once it is back. Everything is as users have it: a router of its own process
 * with default settings, PostgreSQL, brokers, and a store in the source's database. Latencies run from before a change
 * is sent to the database, and are right to a millisecond.
 *
 *     deno task bench:outage --minutes 10 --rate 2000 [--down webhook|kafka] [--store postgres|sqlite] [--twins 5000]
 *
 * It ends with 1 when something was lost or came out of order, never for being slow.
 */
import { parseArgs } from "node:util";
import { freePort } from "../demo/postgres/free_port.ts";
import { KafkaServer } from "../tests/support/kafka_server.ts";
import { createTopics } from "../tests/support/kafka_topics.ts";
import { MosquittoServer } from "../tests/support/mosquitto_server.ts";
import { RouterProcess } from "../tests/support/router_process.ts";
import { TemporaryFolder } from "../tests/support/temporary_folder.ts";
import { TwinDatabase } from "../tests/support/twin_database.ts";
import { until } from "../tests/support/until.ts";
import type { FarEndCommands, Place } from "./outage/far_end.ts";
import { Remote } from "./outage/remote.ts";
import { RouterWatch } from "./outage/router_watch.ts";
import { type Delivered, judge, megabytes, type Phase } from "./outage/verdict.ts";
import type { WriterCommands } from "./outage/writer.ts";
import { describeMachine, print } from "./report.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "2000" },
    twins: { type: "string", default: "5000" },
    down: { type: "string", default: "webhook" },
    store: { type: "string", default: "postgres" },
  },
});
const downMs = Number(values.minutes) * 60_000;
const rate = Number(values.rate);
const isKafka = values.down === "kafka";
if (!(downMs > 0) || !(rate > 0) || !["webhook", "kafka"].includes(values.down)) {
  throw new Error("Cannot begin: --minutes and --rate take a number each, --down takes webhook or kafka");
}
/** Of what stands in the report; a minute when it is down for ten. */
const PART_MS = downMs / 10;
const CALM_MS = Math.max(30_000, PART_MS);
const WARM_UP_MS = 15_000;
/** What has not arrived after a time in which nothing else did is lost. */
const PATIENCE_MS = 60_000;
const TOPIC = "twins";

const farEnd = () => new Remote<FarEndCommands>(new URL("./outage/far_end.ts", import.meta.url));
await using stack = new AsyncDisposableStack();
const database = stack.use(await TwinDatabase.open());
const folder = stack.use(await TemporaryFolder.make());
const mosquitto = stack.use(
  await MosquittoServer.start({
    settings: {
      max_inflight_messages: 0,
      max_queued_messages: 0,
      log_type: "error",
      set_tcp_nodelay: "true",
    },
  }),
);
const hook: Place = { kind: "webhook", port: freePort() };
const broker: Place = { kind: "mqtt", port: mosquitto.port, topic: TOPIC };
const kafka = isKafka ? stack.use(await KafkaServer.start()) : undefined;
if (kafka) await createTopics(kafka.client(), [TOPIC], 4);
const away: Place = kafka
  ? { kind: "kafka", brokers: kafka.address("PLAINTEXT"), topic: TOPIC }
  : { kind: "webhook", port: freePort() };
const places = { Hook: hook, Broker: broker, Away: away };
const farEnds = new Map(Object.keys(places).map((sink) => [sink, stack.use(farEnd())]));
const well = [...farEnds].filter(([sink]) => sink !== "Away");
const awayEnd = farEnds.get("Away") ?? farEnd();
for (const [sink, end] of farEnds) {
  if (sink !== "Away" || !kafka) await end.call("open", places[sink as "Away"]);
}

const writer = stack.use(new Remote<WriterCommands>(new URL("./outage/writer.ts", import.meta.url)));
await writer.call("prepare", {
  connectionString: database.server.connectionString,
  count: Number(values.twins),
});
const webhook = (name: string, { port }: { port: number }) => ({
  name,
  url: `http://127.0.0.1:${port}/`,
  contentMode: "batched",
});
const router = stack.use(
  await RouterProcess.start(folder.path, {
    source: { connectionString: database.server.connectionString },
    store: values.store === "sqlite" ? { sqlite: "./store.db" } : "postgres",
    eventSinks: {
      webhook: [webhook("Hook", hook), ...(away.kind === "webhook" ? [webhook("Away", away)] : [])],
      mqtt: [{ name: "Broker", broker: "127.0.0.1", port: mosquitto.port, topic: TOPIC }],
      ...(away.kind === "kafka" && {
        kafka: [{ name: "Away", brokerList: away.brokers, topic: TOPIC, securityProtocol: "PLAINTEXT" }],
      }),
    },
  }),
);
await router.untilReadyIs(200);
const watch = stack.use(new RouterWatch(database, router, "Away"));

print(
  `${describeMachine()}; PostgreSQL ${database.server.version}; store ${values.store}; ${values.twins} twins, \
${rate} changes a second in transactions of 1 to 10; ${values.down} down for ${values.minutes} minutes\n\n`,
);
print(`phase    seconds  changes/s  lag MB  kept MB  WAL MB/s  RSS MB  CPU   parked     MB`);
for (const [sink] of well) print(`  ${`${sink} p50/p99/max ms`.padEnd(24)}`);
print("\n");

let changes = 0;
const phases: Phase[] = [];
await writer.call("start", rate);
await sleep(WARM_UP_MS);
await watch.endPhase(PART_MS);
changes = (await writer.call("progress")).changes;
await runPhase("before", () => sleep(CALM_MS));
await goDown();
await runPhase("down", () => sleep(downMs));
const parkedAtMost = phases.at(-1)?.costs.maxParkedEvents ?? 0;
const outbox = await outboxSize();
let isDrained = false;
await runPhase("return", async () => {
  await comeBack();
  isDrained = await soon(isLive, Math.max(120_000, 2 * downMs));
});
const drainSeconds = phases.at(-1)?.costs.seconds ?? NaN;
await runPhase("after", () => sleep(CALM_MS));

const last = await writer.call("stop");
await settle();
const delivered: Delivered[] = [];
for (const [sink, end] of farEnds) {
  delivered.push({ sink, ...await end.call("account"), lost: await end.call("lost", last) });
}
report(await outboxSize());
const findings = judge(phases, delivered, rate, isDrained);
for (const { claim, holds, why } of findings) {
  print(`${holds ? "holds        " : "does not hold"}  ${claim}: ${why}\n`);
}
await router.stop();
Deno.exitCode = delivered.some(({ lost, outOfOrder }) => lost + outOfOrder > 0) ? 1 : 0;

/** What is measured begins anew, and ends with the work. */
async function runPhase(name: string, work: () => Promise<void>): Promise<void> {
  for (const end of farEnds.values()) await end.call("beginPhase", PART_MS);
  await work();
  const costs = await watch.endPhase(PART_MS);
  const before = changes;
  changes = (await writer.call("progress")).changes;
  const latencies = new Map<string, Awaited<ReturnType<FarEndCommands["latencies"]>>>();
  for (const [sink, end] of well) latencies.set(sink, await end.call("latencies"));
  const phase = { name, changesPerSecond: (changes - before) / costs.seconds, costs, latencies };
  phases.push(phase);
  print(line(phase));
}

/** Its port is closed, or its process ended as by a crash. */
async function goDown(): Promise<void> {
  if (kafka) await kafka.stop();
  else await awayEnd.call("close");
}

async function comeBack(): Promise<void> {
  await kafka?.restart();
  await awayEnd.call("open", away);
}

/** Nothing is parked, and the sink takes events of the stream. */
async function isLive(): Promise<boolean> {
  const { body = "{}" } = await router.readiness() ?? {};
  const parts = (JSON.parse(body).parts ?? []) as { name: string; state: string }[];
  return parts.find(({ name }) => name === "sink.Away")?.state === "connected" &&
    await router.metric('twinrouter_parked_events{sink="Away"}') === 0;
}

/** Whether the condition came to hold. */
async function soon(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  return await until(condition, "it", timeoutMs).then(() => true, () => false);
}

/** Resolves once every sink has everything, or nothing has arrived anywhere for a while. */
async function settle(): Promise<void> {
  const total = (await writer.call("progress")).changes * farEnds.size;
  const arrived = async () => {
    const accounts = await Promise.all([...farEnds.values()].map((end) => end.call("account")));
    return accounts.reduce((sum, account) => sum + account.arrived, 0);
  };
  for (let before = -1, now = await arrived(); now > before && now < total;) {
    before = now;
    await soon(async () => (now = await arrived()) >= total, PATIENCE_MS);
  }
}

async function outboxSize(): Promise<string> {
  if (values.store !== "postgres") return "";
  const [table] = await database.sql<{ bytes: number; dead: number }[]>`
    SELECT pg_total_relation_size(relid)::float8 AS bytes, n_dead_tup::float8 AS dead
    FROM pg_stat_user_tables WHERE relname = 'outbox'`;
  return table ? `${megabytes(table.bytes)} MB, ${table.dead} dead rows` : "not there";
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Of the table whose head is printed first. */
function line({ name, changesPerSecond, costs, latencies }: Phase): string {
  return [
    name.padEnd(8),
    costs.seconds.toFixed(0).padStart(7),
    changesPerSecond.toFixed(0).padStart(10),
    megabytes(costs.maxLag).padStart(7),
    megabytes(costs.maxRetained).padStart(8),
    megabytes(costs.wal / costs.seconds).padStart(9),
    megabytes(costs.maxResident).padStart(7),
    costs.processors.toFixed(2).padStart(4),
    String(costs.maxParkedEvents).padStart(8),
    megabytes(costs.maxParkedBytes).padStart(6),
    ...[...latencies.values()].map(({ p50, p99, max }) =>
      ` ${[p50, p99, max].map((ms) => ms.toFixed(1)).join(" / ").padEnd(23)}`
    ),
  ].join(" ") + "\n";
}

function report(outboxAfter: string): void {
  print(`\nBy parts of ${PART_MS / 1000} s:\n`);
  for (const { name, costs, latencies } of phases) {
    for (const [sink, { parts }] of latencies) {
      print(`  ${name.padEnd(7)} p99 of ${sink.padEnd(7)} ${parts.map((ms) => ms.toFixed(1)).join(" ")}\n`);
    }
    print(`  ${name.padEnd(7)} RSS, MB        ${costs.resident.map(megabytes).join(" ")}\n`);
  }
  print(
    `\nDrained in ${drainSeconds.toFixed(1)} s: ${
      Math.round(parkedAtMost / drainSeconds + rate)
    } events a second on average, ${rate} of them new. Outbox: ${outbox} when it was full, ${outboxAfter} in the end\n\n`,
  );
}
