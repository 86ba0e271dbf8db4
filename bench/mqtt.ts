/**
 * Events a second through the MQTT sink into a Mosquitto, which nobody subscribes to, by version, quality of service and
 * window; each figure is the median of some rounds, and its ratio to the first one says more than the figure. The
 * processor's time is that of this process alone, and depends less on what else the machine does.
 *
 *     deno task bench:mqtt [rounds]
 */
import { cpuUsage } from "node:process";
import { options } from "../sinks/mqtt/config.ts";
import { createSink } from "../sinks/mqtt/mod.ts";
import type { CloudEvent } from "../src/sink/sink.ts";
import { cloudEvent } from "../tests/support/cloud_events.ts";
import { MosquittoServer } from "../tests/support/mosquitto_server.ts";
import { describeMachine, median, print } from "./report.ts";

const BATCHES = 30;
const BATCH_EVENTS = 1000;
/** About what an update of a twin has. */
const DATA = JSON.stringify({
  modelId: "dtmi:example:Room;1",
  patch: [{ op: "replace", path: "/temperature", value: 22 }],
});

interface Run {
  readonly name: string;
  readonly written: Readonly<Record<string, unknown>>;
  readonly keys: number;
}

const RUNS: readonly Run[] = [
  { name: "MQTT 5, QoS 1, window 1000", written: {}, keys: 1000 },
  { name: "MQTT 5, QoS 1, window 100", written: { maxInFlight: 100 }, keys: 1000 },
  { name: "MQTT 5, QoS 1, window 20", written: { maxInFlight: 20 }, keys: 1000 },
  { name: "MQTT 5, QoS 1, window 1", written: { maxInFlight: 1 }, keys: 1000 },
  { name: "MQTT 5, QoS 1, 10 twins", written: {}, keys: 10 },
  { name: "MQTT 5, QoS 1, binary", written: { contentMode: "binary" }, keys: 1000 },
  { name: "MQTT 5, QoS 1, a topic a twin", written: { topic: "twins/{subject}" }, keys: 1000 },
  { name: "MQTT 5, QoS 0", written: { qos: 0 }, keys: 1000 },
  { name: "MQTT 5, QoS 2", written: { qos: 2 }, keys: 1000 },
  { name: "MQTT 3.1.1, QoS 1, window 1000", written: { protocolVersion: "3.1.1" }, keys: 1000 },
  { name: "MQTT 3.1.1, QoS 1, 10 twins", written: { protocolVersion: "3.1.1" }, keys: 10 },
  { name: "MQTT 3.1.1, QoS 2, window 20", written: { protocolVersion: "3.1.1", qos: 2 }, keys: 1000 },
];

interface Figures {
  readonly eventsPerSecond: number;
  /** Of the processor's time, for one event. */
  readonly microseconds: number;
}

async function measure({ written, keys }: Run): Promise<Figures> {
  await using server = await MosquittoServer.start({
    settings: {
      max_inflight_messages: 0,
      max_queued_messages: 0,
      log_type: "error",
      set_tcp_nodelay: "true",
    },
  });
  const parsed = options.parse({
    broker: "127.0.0.1",
    port: server.port,
    topic: "digitaltwins/events",
    ...written,
  });
  await using sink = createSink(parsed, { name: "Bench", baseDirectory: ".", log: { info() {}, warn() {} } });
  const signal = new AbortController().signal;
  await sink.connect(signal);
  const batch = (first: number): CloudEvent[] =>
    Array.from(
      { length: BATCH_EVENTS },
      (_, index) => cloudEvent(first + index, { partitionkey: `room-${(first + index) % keys}`, data: DATA }),
    );
  await sink.deliver(batch(0), signal); // warm
  const batches = Array.from({ length: BATCHES }, (_, index) => batch((index + 1) * BATCH_EVENTS));
  const start = performance.now();
  const before = cpuUsage();
  for (const each of batches) {
    const failed = await sink.deliver(each, signal);
    if (failed.length > 0) throw failed[0]?.error;
  }
  const { user, system } = cpuUsage(before);
  const events = BATCHES * BATCH_EVENTS;
  return {
    eventsPerSecond: events / (performance.now() - start) * 1000,
    microseconds: (user + system) / events,
  };
}

const rounds = Number(Deno.args[0] ?? 3);
const results = new Map<Run, Figures[]>(RUNS.map((run) => [run, []]));
for (let round = 0; round < rounds; round++) {
  for (const [run, figures] of results) figures.push(await measure(run));
}
print(`${describeMachine()}; ${BATCHES} batches of ${BATCH_EVENTS} events, ${rounds} rounds\n\n`);
let base: Figures | undefined;
for (const [{ name }, all] of results) {
  const eventsPerSecond = median(all.map((figures) => figures.eventsPerSecond));
  const microseconds = median(all.map((figures) => figures.microseconds));
  base ??= { eventsPerSecond, microseconds };
  print(
    `${name.padEnd(32)} ${eventsPerSecond.toFixed(0).padStart(7)} events/s (${
      (eventsPerSecond / base.eventsPerSecond).toFixed(2)
    })  ${microseconds.toFixed(1).padStart(6)} µs (${(microseconds / base.microseconds).toFixed(2)})\n`,
  );
}
print(`\nMemory: ${Math.round(Deno.memoryUsage().rss / 2 ** 20)} MiB resident\n`);
