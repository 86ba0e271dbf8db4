/**
 * One router with a sink that takes everything and keeps nothing, for `drain.ts`: reads the slot and publication given
 * by name until so many events have come, and prints what it took as JSON.
 */
import process from "node:process";
import type { Configuration } from "../src/config/configuration.ts";
import { runRouter } from "../src/app.ts";
import { resolveConnectionOptions } from "../src/postgres/connection/connection_string.ts";
import type { Sink } from "../src/sink/sink.ts";

const [connectionString = "", slot = "", publication = "", events = "0"] = Deno.args;

const stop = new AbortController();
let delivered = 0;
let firstAt = 0;
let lastAt = 0;
const sink: Sink = {
  batch: { maxEvents: 1000 },
  connect: () => Promise.resolve(),
  deliver(batch) {
    firstAt ||= performance.now();
    delivered += batch.length;
    if (delivered >= Number(events)) {
      lastAt = performance.now();
      stop.abort();
    }
    return Promise.resolve([]);
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

const source = {
  connectionString,
  slot,
  publication,
  walSenderTimeout: 10_000,
  failover: false,
  onSlotLost: "fail",
  snapshot: "never",
} as const;
const configuration: Configuration = {
  file: "bench",
  baseDirectory: Deno.cwd(),
  trackLastUpdatedBy: false,
  maxBatchSize: 50,
  source,
  http: false,
  watch: false,
  shutdownTimeout: 10_000,
  store: "postgres",
  deadLetterFile: "/dev/null",
  sinks: [],
  routes: [],
  secrets: new Set(),
  problemAt: () => {
    throw new Error("The configuration is made here");
  },
};
const limits = {
  retry: { initial: 200, max: 30_000, maxAttempts: 10 },
  queue: { maxEvents: 10_000, maxBytes: 64 << 20 },
};

await runRouter({
  configuration,
  replication: { connection: resolveConnectionOptions(source, {}), slot, publication, failover: false },
  sinks: [{ name: "Null", kind: "null", sink, maxBatchSize: 1000, ...limits }],
  routes: [{ name: "all", sink: 0, format: "EventNotification", includeMetadata: false }],
}, stop.signal);

const { user, system } = process.cpuUsage();
const report = {
  delivered,
  /** From the first batch to the last, without the start of the process. */
  streamingSeconds: (lastAt - firstAt) / 1000,
  cpuSeconds: (user + system) / 1e6,
  peakResidentBytes: process.resourceUsage().maxRSS * 1024,
};
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(report)}\n`));
Deno.exit(0);
