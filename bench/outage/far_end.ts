/** A worker that is the far end of a sink, or reads from it: what arrives, in what order, and how late. */
import { type Consumer, Kafka, logLevel } from "kafkajs";
import mqtt, { type MqttClient } from "mqtt";
import { Histogram } from "./histogram.ts";
import { type Account, OrderLedger } from "./order_ledger.ts";
import { answerCalls } from "./remote.ts";

/** Where events arrive. */
export type Place =
  | { readonly kind: "webhook"; readonly port: number }
  | { readonly kind: "mqtt"; readonly port: number; readonly topic: string }
  | { readonly kind: "kafka"; readonly brokers: string; readonly topic: string };

/** Latencies of a phase, in milliseconds from before the change was sent to the database. */
export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** The p99 of one part of the phase after the other. */
  readonly parts: readonly number[];
}

const ledger = new OrderLedger();
let whole = new Histogram();
let parts: Histogram[] = [];
let began = 0;
let partMs = Infinity;
let close = async (): Promise<void> => {};

/** Begins to take events, all that there are from the beginning on. */
async function open(place: Place): Promise<void> {
  switch (place.kind) {
    case "webhook":
      return serve(place.port);
    case "mqtt":
      return await subscribe(place.port, place.topic);
    case "kafka":
      return await consume(place.brokers, place.topic);
    default:
      place satisfies never;
  }
}

/** Whoever wants to connect is refused. */
function serve(port: number): void {
  const end = new AbortController();
  const options = { hostname: "127.0.0.1", port, signal: end.signal, onListen: () => {} };
  const server = Deno.serve(options, async (request) => {
    if (request.method === "POST") { for (const event of await request.json() as ToldEvent[]) took(event); }
    return new Response(null, { status: 204 });
  });
  close = () => {
    end.abort();
    return server.finished;
  };
}

async function subscribe(port: number, topic: string): Promise<void> {
  const client: MqttClient = await mqtt.connectAsync({ host: "127.0.0.1", port, protocolVersion: 5 });
  client.on("message", (_topic, payload) => took(JSON.parse(payload.toString())));
  await client.subscribeAsync(topic, { qos: 1 });
  close = () => client.endAsync(true);
}

async function consume(brokers: string, topic: string): Promise<void> {
  const kafka = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING });
  const consumer: Consumer = kafka.consumer({
    groupId: `reader-${crypto.randomUUID()}`,
    maxWaitTimeInMs: 100,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachBatch: async ({ batch: { messages } }) => {
      for (const { headers, value } of messages) {
        took({ subject: String(headers?.["ce_subject"]), data: JSON.parse(String(value)) });
      }
    },
  });
  close = () => consumer.disconnect();
}

interface ToldEvent {
  readonly subject: string;
  readonly data: { readonly patch: readonly { readonly path: string; readonly value: unknown }[] };
}

function took({ subject, data: { patch } }: ToldEvent): void {
  const told = patch.find(({ path }) => path === "/told")?.value;
  const [number = NaN, sentAt = NaN] = String(told).split(" ").map(Number);
  if (Number.isNaN(sentAt)) throw new Error(`Cannot read an event of ${subject}: ${JSON.stringify(patch)}`);
  if (!ledger.arrived(subject, number)) return;
  const now = Date.now();
  whole.record(now - sentAt);
  (parts[Math.floor((now - began) / partMs)] ??= new Histogram()).record(now - sentAt);
}

/** From now on a new phase counts, in parts of so many milliseconds. */
function beginPhase(milliseconds: number): void {
  whole = new Histogram();
  parts = [];
  began = Date.now();
  partMs = milliseconds;
}

function latencies(): Latencies {
  return {
    p50: whole.quantile(0.5),
    p99: whole.quantile(0.99),
    max: whole.max,
    parts: Array.from(parts, (part) => part?.quantile(0.99) ?? NaN),
  };
}

const commands = {
  open,
  close: () => close(),
  beginPhase,
  latencies,
  account: (): Account => ledger.account,
  lost: (last: ReadonlyMap<string, number>): number => ledger.lost(last),
};
export type FarEndCommands = typeof commands;
answerCalls(commands);
