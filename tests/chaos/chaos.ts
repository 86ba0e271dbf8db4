import assert from "node:assert/strict";
import { GraphReplica } from "../support/graph_replica.ts";
import { readCommitted } from "../support/kafka_topics.ts";
import { runCommand } from "../support/run_command.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { until } from "../support/until.ts";
import { type Arrival, firstsOf, verifyArrivals } from "./arrivals.ts";
import type { Entry } from "./draft.ts";
import { faultsOf } from "./faults.ts";
import { GraphLedger } from "./graph_ledger.ts";
import { HistoryReplica } from "./history_replica.ts";
import { parkingsOf } from "./parkings.ts";
import { drawSchedule, followSchedule } from "./schedule.ts";
import { SupervisedRouter } from "./supervised_router.ts";
import { missingParts, openWorld, TOPICS, type World } from "./world.ts";

const LEDGERS = 3;
/** How long everything may take to arrive once nothing stands in its way, on top of how long faults held it up. */
const LONGEST_RECOVERY = 120_000;

export interface ChaosOptions {
  readonly seed: number;
  /** How long faults happen. */
  readonly forMs: number;
  /** Whether the router's store is a file on a disk that can be full, where one can be had; else there are two routers. */
  readonly storeOnDisk: boolean;
  /** Told of what is going on, by the line. */
  readonly say: (line: string) => void;
}

/**
 * Lets ledgers write and faults happen, as the seed has it, then takes every fault back, waits until the router has
 * nothing left to do, and throws unless each sink has got what was committed: all of it, nothing else, in order for each
 * twin, and with equal ids where more than once. An error names the seed, the last that happened, and the folder with
 * the logs.
 */
export async function runChaos({ seed, forMs, storeOnDisk, say }: ChaosOptions): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "twinrouter-chaos-" });
  const steps: string[] = [];
  const begun = performance.now();
  const onStep = (name: string) => {
    const line = `${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${name}`;
    steps.push(line);
    Deno.writeTextFileSync(`${folder}/steps.log`, `${line}\n`, { append: true });
  };
  say(`seed ${seed}, ${forMs / 1000} s of faults, logs in ${folder}`);
  try {
    await using world = await openWorld(folder, storeOnDisk);
    for (const part of await missingParts()) say(`SKIPPED: ${part}`);
    try {
      await endure(world, folder, { seed, forMs, storeOnDisk, say }, onStep);
    } finally {
      await Deno.writeTextFile(`${folder}/postgres.log`, await world.database.server.logText());
    }
  } catch (error) {
    say(`FAILED: seed ${seed}, logs in ${folder}; the last that happened:\n${steps.slice(-20).join("\n")}`);
    throw new Error(`Chaos with the seed ${seed} found a fault; logs in ${folder}`, { cause: error });
  }
  await Deno.remove(folder, { recursive: true });
}

async function endure(
  world: World,
  folder: string,
  { seed, forMs, storeOnDisk, say }: ChaosOptions,
  onStep: (name: string) => void,
): Promise<void> {
  const { database } = world;
  const over = new AbortController();
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => {
    failures.push(error);
    over.abort();
  };
  await using router = new SupervisedRouter("router 1", folder, world, onFailure);
  await router.start();
  await router.process.untilReadyIs(200, 60_000); // The slot is there: from now on every commit counts.
  await using standby = storeOnDisk ? undefined : new SupervisedRouter("router 2", folder, world, onFailure);
  await standby?.start();

  const lanes = faultsOf(world, standby ? [router, standby] : [router], new SeededRandom(seed));
  const schedule = drawSchedule(seed, lanes, forMs);
  say(`scheduled: ${[...schedule].map(([lane, { length }]) => `${lane} ${length}`).join(", ")}`);
  await GraphLedger.prepare(database.sql);
  const ledgers = Array.from(
    { length: LEDGERS },
    (_, index) => new GraphLedger(database.server.connectionString, seed * LEDGERS + index, `twin${index}`),
  );
  const inflicted = new Map<string, number>();
  const happened = (name: string) => {
    onStep(name);
    if (!name.endsWith(": over")) inflicted.set(name, (inflicted.get(name) ?? 0) + 1);
  };
  const timer = setTimeout(() => over.abort(), forMs);
  const written = new AbortController();
  const writing = ledgers.map((ledger) => ledger.write(written.signal).catch(onFailure));
  await Promise.all(
    [...schedule.values()].map((steps) => followSchedule(steps, happened, over.signal).catch(onFailure)),
  );
  clearTimeout(timer);
  written.abort();
  await Promise.all(writing);
  onStep("no more faults");
  await standby?.stop();
  if (failures.length === 0) await untilQuiet(world, router, LONGEST_RECOVERY + forMs);
  if (failures.length > 0) throw failures[0];
  await router.stop();
  if (failures.length > 0) throw failures[0];

  say(`written: ${sumOf(ledgers.map(({ counts }) => counts))}`);
  say(`faults: ${listOf(inflicted)}`);
  say(`parkings: ${listOf(await parkingsOf(standby ? [router, standby] : [router]))}`);
  await verify(world, new Map(ledgers.flatMap(({ entries }) => [...entries])), say);
}

/** Resolves once everything that is written is confirmed, and nothing waits anywhere. */
async function untilQuiet(
  { database }: World,
  router: SupervisedRouter,
  patience: number,
): Promise<void> {
  await until(
    async () => (await router.process.readiness())?.body.includes('"role": "active"') ?? false,
    "the router to have the slot",
    patience,
  );
  await router.process.untilReadyIs(200, patience);
  let waiting: readonly string[] = [];
  let readiness: string | undefined;
  await until(
    async () => {
      readiness = (await router.process.readiness())?.body;
      const response = await fetch(`${router.process.url}/metrics`, { signal: AbortSignal.timeout(30_000) });
      waiting = (await response.text()).split("\n")
        .filter((line) => /^twinrouter_(queue|parked)_events\{/.test(line) && !line.endsWith(" 0"));
      return waiting.length === 0;
    },
    () => `nothing to wait any more: ${waiting.join("; ")}\n${readiness}`,
    patience,
  );
  await database.untilConfirmed(patience);
  const letters = await runCommand(["dlq", "list", "--json", "--config", `${router.folder}/events.yaml`]);
  assert.deepEqual([letters.code, letters.stdout], [0, ""], `dead letters: ${letters.stderr}`);
}

async function verify(
  world: World,
  committed: ReadonlyMap<string, readonly Entry[]>,
  say: (line: string) => void,
): Promise<void> {
  const repeats: string[] = [];
  const checked = (name: string, arrivals: readonly Arrival[]) => {
    const firsts = firstsOf(arrivals, name);
    repeats.push(`${name} ${arrivals.length - firsts.length} of ${arrivals.length}`);
    verifyArrivals(firsts, committed, name);
    return firsts.filter(({ type }) => !type.endsWith("Telemetry"));
  };
  const rows = await world.database.sql<{ properties: string }[]>`
    SELECT properties::text FROM digitaltwins."Twin" UNION ALL SELECT properties::text FROM digitaltwins.contains`;
  const bodies = rows.map(({ properties }) => JSON.parse(properties) as Record<string, unknown>);
  const graph = new Map(bodies.map((body) => [subjectOf(body), body]));

  const history = new HistoryReplica();
  for (const event of checked("data history", (await world.archived()).map(parse))) history.apply(event);
  assertEqualStates(history.states, graph, propertiesOf, "the state by the data history");

  const notified = (name: string, arrivals: readonly Arrival[]) => {
    const replica = new GraphReplica();
    for (const event of checked(name, arrivals)) replica.apply(event);
    const known = new Map([...replica.bodies].map(([subject, body]) => [subject, bare(body)]));
    assertEqualStates(known, graph, bare, `the state by ${name}'s notifications`);
  };
  notified("webhook", world.notified().map(parse));
  if (world.mosquitto) {
    await world.mqttReaders.at(-1)?.settled();
    const messages = world.mqttReaders.flatMap((reader) => reader.messages);
    notified("MQTT", messages.map(({ payload }) => parse(payload)));
  }
  if (world.kafka) {
    notified("Kafka", (await readCommitted(world.kafka, TOPICS.atLeastOnce)).map(parseRecord));
    const once = (await readCommitted(world.kafka, TOPICS.exactlyOnce)).map(parseRecord);
    notified("Kafka exactly once", once);
    assert.equal(firstsOf(once, "Kafka exactly once").length, once.length, "repeats in Kafka exactly once");
  }
  say(`repeats: ${repeats.join("; ")}`);
  say(`verified: ${graph.size} twins and relationships in the end`);
}

function assertEqualStates(
  known: ReadonlyMap<string, unknown>,
  graph: ReadonlyMap<string, Record<string, unknown>>,
  expected: (body: Record<string, unknown>) => unknown,
  what: string,
): void {
  assert.deepEqual([...known.keys()].sort(), [...graph.keys()].sort(), what);
  for (const [subject, body] of graph) {
    assert.deepEqual(known.get(subject), expected(body), `${what}: ${subject}`);
  }
}

function subjectOf(body: Record<string, unknown>): string {
  return body["$dtId"] !== undefined
    ? String(body["$dtId"])
    : `${body["$sourceId"]}/relationships/${body["$relationshipId"]}`;
}

/** As data history names them. */
function propertiesOf(body: Record<string, unknown>): ReadonlyMap<string, unknown> {
  const properties = new Map<string, unknown>();
  for (const [name, value] of Object.entries(body)) {
    if (name.startsWith("$")) continue;
    const { $metadata, ...members } = Object(value);
    if ($metadata === undefined) properties.set(name, value);
    else for (const [member, inner] of Object.entries(members)) properties.set(`${name}.${member}`, inner);
  }
  return properties;
}

/** Without the metadata of components, which patches need not tell. */
function bare(body: Readonly<Record<string, unknown>>): unknown {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      if (name !== "thermostat") return [name, value];
      const { $metadata: _, ...members } = Object(value);
      return [name, members];
    }),
  );
}

function parse(text: string): Arrival {
  const { id, type, subject, data } = JSON.parse(text);
  return { id, type, subject, data };
}

/** As Kafka's own consumer prints it. */
function parseRecord(line: string): Arrival {
  const [headers = "", , value = ""] = line.split("\t");
  const attribute = (name: string) => new RegExp(`\\bce_${name}:([^,]*)`).exec(headers)?.[1] ?? "";
  const [id, type, subject] = [attribute("id"), attribute("type"), attribute("subject")];
  return { id, type, subject, data: JSON.parse(value) };
}

function listOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].sort().map(([name, count]) => `${name} ${count}`).join("; ");
}

function sumOf(counts: readonly GraphLedger["counts"][]): string {
  const names = ["changes", "committed", "rolledBack", "savepoints", "large", "inDoubt"] as const;
  return names.map((name) => `${name} ${counts.reduce((sum, count) => sum + count[name], 0)}`).join(", ");
}
