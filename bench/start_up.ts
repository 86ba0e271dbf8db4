/**
 * How long the program takes from its start until it serves, and how much memory it has then and a little later, by the
 * kinds of sink that are configured: a console alone, each kind beside it, and all. Nobody is there to be connected to,
 * so that nothing but loading and beginning is measured.
 *
 *     deno task bench:start [ROUNDS]
 */
import { join } from "node:path";
import { sinkKinds } from "../sinks/registry.ts";
import { freePort } from "../demo/postgres/free_port.ts";
import { startArguments } from "../tests/support/start_task.ts";
import { TemporaryFolder } from "../tests/support/temporary_folder.ts";
import { describeMachine, median, print } from "./report.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);

/** Milliseconds after which memory is read: sinks have begun to connect, and loaded what they need for that. */
const SETTLED = 1_000;

const NOWHERE = "http://127.0.0.1:2";
const adx = (auth: Record<string, string>) => ({ name: "Adx", ingestionUri: NOWHERE, database: "d", auth });
const SINKS: Readonly<
  Record<string, readonly [kind: keyof typeof sinkKinds, options: Record<string, unknown>]>
> = {
  "file": ["file", { name: "File", path: "events.ndjson" }],
  "webhook": ["webhook", { name: "Hook", url: NOWHERE }],
  "kafka": ["kafka", { name: "Kafka", brokerList: "127.0.0.1:2", topic: "t", securityProtocol: "PLAINTEXT" }],
  "mqtt": ["mqtt", { name: "Mqtt", broker: "127.0.0.1", port: 2, topic: "t" }],
  "kusto, client secret": [
    "kusto",
    adx({ type: "clientSecret", tenantId: "t", clientId: "c", clientSecret: "s", authorityHost: NOWHERE }),
  ],
  "kusto, other identity": ["kusto", adx({ type: "azureCli" })],
};

interface Start {
  readonly milliseconds: number;
  readonly megabytes: number;
  readonly settledMegabytes: number;
}

async function start(names: readonly string[]): Promise<Start> {
  await using folder = await TemporaryFolder.make();
  const port = freePort();
  const eventSinks: Record<string, unknown[]> = { console: [{ name: "Screen" }] };
  for (const name of names) {
    const [kind, options] = SINKS[name] ?? ["console", {}];
    (eventSinks[kind] ??= []).push({ ...options, name });
  }
  const config = {
    source: { host: "127.0.0.1", port: 2, user: "u", database: "d" },
    http: { port },
    eventSinks,
  };
  const file = join(folder.path, "events.yaml");
  await Deno.writeTextFile(file, JSON.stringify({ events: { config } }));
  const began = performance.now();
  const router = new Deno.Command(Deno.execPath(), {
    args: startArguments("run", "--config", file),
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
    env: { TWINROUTER_LOG_LEVEL: "error" },
  }).spawn();
  let ended = false;
  void router.status.then(() => ended = true);
  while (!await serves(port)) {
    if (ended) throw new Error(`Cannot start with ${names.join()}: the router ended`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const milliseconds = performance.now() - began;
  const megabytes = await memoryOf(port);
  await new Promise((resolve) => setTimeout(resolve, SETTLED));
  const settledMegabytes = await memoryOf(port);
  router.kill("SIGKILL");
  await router.status;
  return { milliseconds, megabytes, settledMegabytes };
}

async function serves(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/livez`);
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** Megabytes that it says are resident. */
async function memoryOf(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) / 2 ** 20;
}

const there = Object.keys(SINKS).filter((name) =>
  sinkKinds[SINKS[name]?.[0] ?? "console"].load !== undefined
);
const cases: [string, readonly string[]][] = [
  ["console", []],
  ...there.map((name): [string, readonly string[]] => [`+ ${name}`, [name]]),
  ["all", there],
];
print(`${describeMachine()}; medians of ${ROUNDS}, in turn\n`);
print("sinks                    ms until it serves    MB then    MB 1 s later\n");
const starts = new Map(cases.map(([name]) => [name, [] as Start[]]));
await start([]); // The first one warms caches.
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, sinks] of cases) starts.get(name)?.push(await start(sinks));
}
for (const [name, all] of starts) {
  const [time = "", then = "", later = ""] = [
    all.map(({ milliseconds }) => milliseconds),
    all.map(({ megabytes }) => megabytes),
    all.map(({ settledMegabytes }) => settledMegabytes),
  ].map((values) => median(values).toFixed(0));
  print(`${name.padEnd(25)}${time.padStart(18)}${then.padStart(11)}${later.padStart(16)}\n`);
}
