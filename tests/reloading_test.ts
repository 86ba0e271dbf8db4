import assert from "node:assert/strict";
import { sinkKinds } from "../sinks/registry.ts";
import { BetweenTransactions } from "../src/between_transactions.ts";
import { Redaction } from "../src/observe/redaction.ts";
import { Reloading } from "../src/reloading.ts";
import type { Route } from "../src/route/router.ts";
import { SnapshotRestrictions } from "../src/route/snapshot_restrictions.ts";
import { type Setup, setUp } from "../src/setup.ts";
import { Delivery, LogRecords } from "./support/delivery.ts";
import { turn } from "./support/fake_clock.ts";
import { loadConfig } from "./support/load_text.ts";
import { ScriptedSink } from "./support/scripted_sink.ts";

const source = "source: { connectionString: 'postgres://router@db.example/twins' }\n";

/** A setup whose sinks connect to nothing. */
async function setupOf(config: string) {
  const setup: Setup = await setUp(loadConfig(source + config), sinkKinds, {});
  return { ...setup, sinks: setup.sinks.map((settings) => ({ ...settings, sink: new ScriptedSink() })) };
}

/** A router as far as a reload goes. */
class Scene implements AsyncDisposable {
  readonly log = new LogRecords();
  readonly between = new BetweenTransactions();
  readonly redaction = new Redaction();
  readonly restrictions: SnapshotRestrictions;
  readonly delivery: Delivery;
  readonly reloading: Reloading;
  /** All that were in force, one after the other. */
  readonly routes: (readonly Route[])[] = [];

  private constructor(setup: Awaited<ReturnType<typeof setupOf>>) {
    this.delivery = new Delivery(setup.sinks);
    this.restrictions = new SnapshotRestrictions(setup.sinks.map(({ name }) => name));
    this.reloading = new Reloading(setup, {
      dispatcher: this.delivery.dispatcher,
      routing: { become: (routes) => void this.routes.push(routes) },
      restrictions: this.restrictions,
      between: this.between,
      redaction: this.redaction,
      metrics: this.delivery.metrics,
      log: this.log,
      onRoutes: () => {},
    });
  }

  static async make(config: string): Promise<Scene> {
    const scene = new Scene(await setupOf(config));
    await scene.delivery.start();
    return scene;
  }

  /** Reloads once for each of these, which a test may have fail. */
  async reload(...configs: (string | Error)[]): Promise<void> {
    const reads = configs.values();
    await this.reloading.follow({
      occasions: () => ReadableStream.from(configs),
      read() {
        const config = reads.next().value ?? "";
        return config instanceof Error ? Promise.reject(config) : setupOf(config);
      },
    }, new AbortController().signal);
  }

  get told(): readonly unknown[] {
    return this.log.records.map(({ message, fields }) => [message, fields]);
  }

  async reloads(): Promise<Readonly<Record<string, number>>> {
    const { values } = await this.delivery.metrics.configurationReloads.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.delivery[Symbol.asyncDispose]();
  }
}

const TWO_SINKS = `eventSinks: { file: [{ name: A, path: a }, { name: B, path: b }] }
eventRoutes: [{ sinkName: A, name: all }, { sinkName: B, filter: "subject = 'b'" }]
`;

Deno.test("routes change at the end of the transaction under way, sinks at once, and it is told what has changed", async () => {
  await using scene = await Scene.make(TWO_SINKS);
  scene.between.left();
  await scene.reload(`eventSinks: { file: [{ name: B, path: other }, { name: C, path: c }] }
eventRoutes: [{ sinkName: C, name: all }, { sinkName: C, name: new }, { sinkName: B, filter: "subject = 'b'" }]
`);
  const states = () => scene.delivery.dispatcher.states().map(({ name, state }) => `${name} ${state}`);
  assert.deepEqual(states(), ["A leaving", "B connected", "C connected"]);
  assert.deepEqual([scene.routes, scene.told], [[], []]);
  assert.equal(scene.restrictions.refusal({ sink: "A" }), undefined);

  scene.between.reached();
  await turn();
  assert.deepEqual(states(), ["B connected", "C connected"]);
  assert.deepEqual(scene.routes.map((routes) => routes.map(({ name, sink }) => [name, sink])), [[
    ["all", 2],
    ["new", 2],
    ["B/EventNotification", 1],
  ]]);
  assert.match(scene.restrictions.refusal({ sink: "A" }) ?? "", /no sink has the name A/);
  assert.deepEqual(scene.restrictions.of({ id: "s", sink: "C" }), { sink: 2 });
  assert.deepEqual(scene.restrictions.of({ id: "t", sink: "A" }), { sink: -1 });
  assert.deepEqual(scene.told, [["Configuration reloaded", {
    addedSinks: ["C"],
    removedSinks: ["A"],
    changedSinks: ["B"],
    addedRoutes: ["new"],
    changedRoutes: ["all"],
  }]]);
  assert.deepEqual(await scene.reloads(), { applied: 1 });
});

Deno.test("a reload that waits for the end of a transaction holds up no other, and all of them count", async () => {
  await using scene = await Scene.make(TWO_SINKS);
  scene.between.left();
  const oneSink = "eventSinks: { file: [{ name: B, path: b }] }\n";
  await scene.reload(oneSink, TWO_SINKS, oneSink, new TypeError("not today"), TWO_SINKS);
  scene.between.reached();
  assert.deepEqual(scene.routes.at(-1)?.map(({ name, sink }) => [name, sink]), [
    ["all", 0],
    ["B/EventNotification", 1],
  ]);
  assert.deepEqual(scene.delivery.dispatcher.states().map(({ state }) => state), ["connected", "connected"]);
  assert.deepEqual(await scene.reloads(), { applied: 4, refused: 1 });
  assert.deepEqual(scene.told[0], [
    "Configuration is not reloaded, the one before stays in force",
    { error: "not today" },
  ]);
});

Deno.test("what needs a restart is named each time until it is as it was, and what does not is in force", async () => {
  await using scene = await Scene.make(TWO_SINKS);
  const other =
    `${TWO_SINKS}eventSource: https://other.example/\nhttp: false\nshutdownTimeout: 3s\nwatch: true\n`;
  await scene.reload(other, other, TWO_SINKS);
  const left = [
    "Changes that need a restart are left out, until there is one",
    { keys: ["eventSource", "http"] },
  ];
  const reloaded = ["Configuration reloaded", {}];
  assert.deepEqual(scene.told, [left, reloaded, left, reloaded, reloaded]);
  assert.equal(scene.reloading.shutdownTimeout, 10_000);
  await scene.reload(other);
  assert.equal(scene.reloading.shutdownTimeout, 3_000);
});

Deno.test("secrets of the new configuration are hidden from then on", async () => {
  await using scene = await Scene.make(TWO_SINKS);
  await scene.reload(
    "eventSinks: { webhook: [{ name: W, url: 'http://w.example', auth: { type: bearer, token: s3cr3t-t0k3n } }] }\n",
  );
  assert.equal(scene.redaction.apply("refused: s3cr3t-t0k3n"), "refused: ***");
});
