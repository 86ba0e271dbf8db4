import assert from "node:assert/strict";
import fc from "fast-check";
import type { SinkSettings } from "../../src/deliver/sink_settings.ts";
import { BEGINNING, Delivery } from "../support/delivery.ts";
import { type FakeClock, turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";
import {
  type Delivery as Step,
  failing,
  fatal,
  Hold,
  rejected,
  retryable,
  ScriptedSink,
  take,
  throwing,
} from "../support/scripted_sink.ts";
import { TryingOutbox } from "../support/trying_outbox.ts";

const PATIENCE = 3000;
const NAMES = ["A", "B", "C"] as const;

/** What a sink does with one batch; `mask` chooses events by their index. */
const behaviour = fc.record({
  delayMs: fc.constantFrom(0, 0, 5, 300, 1500),
  kind: fc.constantFrom("take", "take", "fail", "reject", "throw", "fatal", "hold"),
  mask: fc.nat(15),
});
type Behaviour = typeof behaviour extends fc.Arbitrary<infer Value> ? Value : never;

/** Of each name, which version of the sink is wanted; 0 for none. */
const versions = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2));

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ key: fc.constantFrom("a", "b", "c"), sinks: fc.integer({ min: 1, max: 7 }) }),
  },
  { weight: 2, arbitrary: fc.constant("mark" as const) },
  { weight: 1, arbitrary: fc.constant("turn" as const) },
  { weight: 2, arbitrary: fc.constantFrom(10, 250, 4000) },
  { weight: 2, arbitrary: fc.record({ versions, script: fc.array(behaviour, { maxLength: 6 }) }) },
);

for (const outbox of ["without", "with"] as const) {
  Deno.test(`${outbox} an outbox, whatever becomes of sinks, each event is delivered once and in order, or known not to be`, async () => {
    await fc.assert(
      fc.asyncProperty(
        versions,
        fc.array(behaviour, { maxLength: 20 }),
        fc.array(step, { maxLength: 80, size: "max" }),
        async (first, script, steps) => {
          const scene = new Scene(first, script, outbox === "with" ? new TryingOutbox() : undefined);
          await scene.begin();
          for (const each of steps) {
            if (each === "mark") scene.mark();
            else if (each === "turn") await turn();
            else if (typeof each === "number") await scene.delivery.clock.advance(each);
            else if ("key" in each) scene.enqueue(each.key, each.sinks);
            else await scene.become(each.versions, each.script);
          }
          // At last each sink gives way to one that takes everything.
          await scene.become(scene.versions.map((version) => version && 3), []);
          scene.mark();
          await scene.delivery.clock.advance(600_000);
          await scene.verify();
        },
      ),
      { seed: Number(Deno.env.get("SEED") ?? 20_261_127), numRuns: 300 },
    );
  });
}

class Scene {
  readonly delivery: Delivery;
  versions: readonly number[];
  readonly #outbox: TryingOutbox | undefined;
  /** Every sink that was ever made. */
  readonly #sinks: ScriptedSink[] = [];
  /** By name: the ids of the events that its sinks took, one after the other. */
  readonly #taken = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  readonly #sent = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  /** Names that were ever removed. */
  readonly #removed = new Set<string>();
  /** Indexes of the sinks that are routed to. */
  #routed: ReadonlyMap<string, number>;
  /** What is to happen at the end of the transaction. */
  #switches: (() => void)[] = [];
  #isChanging = false;
  #events = 0;
  #lsn = 0n;

  constructor(first: readonly number[], script: readonly Behaviour[], outbox: TryingOutbox | undefined) {
    this.#outbox = outbox;
    const sinks: (SinkSettings & { sink: ScriptedSink })[] = [];
    const later: { clock?: FakeClock } = {};
    this.versions = first;
    for (const settings of this.#settingsOf(first, script, later)) sinks.push(settings);
    this.delivery = new Delivery(sinks, { random: () => 0.5, ...(outbox && { outbox }) });
    later.clock = this.delivery.clock;
    this.#routed = new Map(sinks.map(({ name }, index) => [name, index]));
  }

  async begin(): Promise<void> {
    await this.delivery.dispatcher.resume(BEGINNING);
    await this.delivery.start();
  }

  enqueue(key: string, mask: number): void {
    const targets = NAMES.flatMap((name, bit) => {
      const sink = this.#routed.get(name);
      return sink === undefined || !(mask & (1 << bit)) ? [] : [{ sink, route: "r" }];
    });
    const event = routerEvent(key, ++this.#events);
    for (const [name, index] of this.#routed) {
      if (targets.some(({ sink }) => sink === index)) this.#sent.get(name)?.push(event.event.id);
    }
    this.delivery.dispatcher.enqueue(event, targets);
  }

  mark(): void {
    this.delivery.dispatcher.settle(++this.#lsn);
    for (const work of this.#switches) work();
    this.#switches = [];
  }

  async become(versions: readonly number[], script: readonly Behaviour[]): Promise<void> {
    while (this.#isChanging) await this.delivery.clock.advance(100);
    this.versions = versions;
    const settings = this.#settingsOf(versions, script, this.delivery);
    const { indexes, removed, unroute, done } = this.delivery.dispatcher.become(settings, PATIENCE);
    for (const name of removed) this.#removed.add(name);
    this.#isChanging = true;
    void done.then(() => this.#isChanging = false);
    this.#switches.push(() => {
      this.#routed = indexes;
      unroute();
    });
  }

  async verify(): Promise<void> {
    const { dispatcher, deadLetters, metrics } = this.delivery;
    assert.equal(dispatcher.confirmable, this.#lsn, "everything is settled");
    const dropped = new Map(
      (await metrics.droppedEvents.get()).values.map(({ labels, value }) => [labels.sink, value]),
    );
    for (const name of NAMES) {
      const [sent, taken] = [this.#sent.get(name) ?? [], this.#taken.get(name) ?? []];
      const buried = deadLetters.letters.filter(({ sink }) => sink === name).map(({ event }) => event.id);
      // What is parked for a sink that is not there any more waits for one of its name.
      const parked = await this.#outbox?.ids(name) ?? [];
      const known = new Set([...taken, ...buried, ...parked]);
      const lost = sent.filter((id) => !known.has(id));
      assert.equal(known.size, taken.length + buried.length + parked.length, `${name}: none is doubled`);
      assert.equal(lost.length, dropped.get(name) ?? 0, `${name}: what is given up is counted`);
      assert(
        lost.length === 0 || this.#removed.has(name),
        `${name}: only what is left of a removed sink is given up`,
      );
      for (const key of ["a", "b", "c"]) {
        const ofKey = taken.filter((id) => id.startsWith(key));
        assert.deepEqual(ofKey, sent.filter((id) => ofKey.includes(id)), `${name}: ${key} is in order`);
      }
    }
    const wanted = NAMES.filter((_, index) => this.versions[index] !== 0);
    assert.deepEqual(dispatcher.states().map(({ name }) => name).toSorted(), wanted);
    for (const { state, queuedEvents } of dispatcher.states()) {
      assert.deepEqual([state, queuedEvents], ["connected", 0]);
    }
    await this.delivery[Symbol.asyncDispose]();
    await this.#outbox?.[Symbol.asyncDispose]();
    assert.equal(this.delivery.clock.timers, 0);
    for (const { breaches, disposed } of this.#sinks) assert.deepEqual([breaches, disposed], [[], 1]);
  }

  #settingsOf(
    versions: readonly number[],
    script: readonly Behaviour[],
    later: { clock?: FakeClock },
  ): (SinkSettings & { sink: ScriptedSink })[] {
    return NAMES.flatMap((name, index) => {
      const version = versions[index] ?? 0;
      if (version === 0) return [];
      const sink = new ScriptedSink({ concurrency: 1 + index, maxEvents: 3 });
      this.#sinks.push(sink);
      sink.deliveries.push(...script.map((each) => this.#recorded(name, play(each, later))));
      sink.otherwise = this.#recorded(name, take);
      return [{
        name,
        kind: "scripted",
        sink,
        options: { version },
        maxBatchSize: 50,
        retry: { initial: 100, max: 2000, maxAttempts: 3 },
        queue: { maxEvents: 10_000, maxBytes: 1e9 },
        parking: { parkAfter: 1000, maxParkedBytes: 1e9, maxParkedAge: 1e12, whenFull: "block" },
      }];
    });
  }

  #recorded(name: string, step: Step): Step {
    return async (batch, signal) => {
      const failures = await step(batch, signal);
      const failed = new Set(failures.map(({ index }) => index));
      this.#taken.get(name)?.push(...batch.filter((_, index) => !failed.has(index)).map(({ id }) => id));
      return failures;
    };
  }
}

function play({ delayMs, kind, mask }: Behaviour, later: { clock?: FakeClock }): Step {
  return async (batch, signal) => {
    if (delayMs > 0) await new Promise<void>((resolve) => later.clock?.after(delayMs, resolve));
    signal.throwIfAborted(); // after an abort nothing goes out
    const chosen = batch.filter((_, index) => mask & (1 << index)).map(({ id }) => id);
    const errors = (error: ReturnType<typeof retryable>) =>
      Object.fromEntries(chosen.map((id) => [id, error]));
    const steps = {
      take,
      fail: failing(errors(retryable())),
      reject: failing(errors(rejected())),
      throw: throwing(retryable()),
      fatal: throwing(fatal()),
      hold: new Hold().delivery(),
    };
    return await steps[kind](batch, signal);
  };
}
