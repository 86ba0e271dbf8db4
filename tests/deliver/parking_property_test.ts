import assert from "node:assert/strict";
import fc from "fast-check";
import type { Lsn } from "../../src/postgres/lsn.ts";
import type { Checkpoints, SinkCheckpoint } from "../../src/deliver/store/checkpoints.ts";
import type { Outbox, OutboxRange, OutboxTotals, ParkedEvent } from "../../src/deliver/store/outbox.ts";
import { BEGINNING, Delivery } from "../support/delivery.ts";
import { turn } from "../support/fake_clock.ts";
import { routerEvent } from "../support/router_events.ts";
import { hang, retryable, ScriptedSink } from "../support/scripted_sink.ts";

const KEYS = ["a", "b", "c", "d"];

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ events: fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 12 }) }),
  },
  { weight: 4, arbitrary: fc.constant("mark" as const) },
  { weight: 2, arbitrary: fc.constant("turn" as const) },
  { weight: 4, arbitrary: fc.record({ ms: fc.constantFrom(10, 500, 3_000, 31_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({ sink: fc.nat(1), mood: fc.constantFrom("well", "down", "moody", "slow") }),
  },
  { weight: 1, arbitrary: fc.record({ outbox: fc.constantFrom("well", "well", "broken", "forgetful") }) },
  { weight: 1, arbitrary: fc.constantFrom("kill" as const, "reconnect" as const) },
  { weight: 1, arbitrary: fc.record({ elsewhere: fc.constantFrom(500, 40_000) }) },
);

Deno.test("whatever fails and whenever it is killed, parked or live: all is delivered in order, and nothing unsafe is confirmed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 120, size: "max" }),
      fc.constantFrom(4, 20, 1_000),
      fc.constantFrom(60, 600, 1_000_000),
      async (steps, maxEvents, maxParkedBytes) => {
        const world = new World(maxEvents, maxParkedBytes);
        await world.begin();
        for (const step of steps) {
          if (step === "mark") world.mark();
          else if (step === "turn") await turn();
          else if (step === "kill") await world.kill();
          else if (step === "reconnect") await world.resume(false);
          else if ("elsewhere" in step) await world.elsewhere(step.elsewhere);
          else if ("events" in step) world.produce(step.events);
          else if ("ms" in step) await world.advance(step.ms);
          else if ("outbox" in step) world.shelf.mood = step.outbox;
          else world.moods[step.sink] = step.mood;
          world.feed();
          await turn();
        }
        await world.settleAll();
        world.verify();
        await world.end();
      },
    ),
    { seed: Number(Deno.env.get("SEED") ?? 20_261_126), numRuns: 300 },
  );
});

type Item = { readonly key: string; readonly n: number; readonly commitLsn: Lsn } | { readonly lsn: Lsn };

/** A stream that comes again from what is confirmed, two sinks, an outbox, and routers one after the other. */
class World {
  readonly shelf = new Shelf();
  readonly moods = ["well", "well"];
  /** By sink: ids as they were taken, by whichever router. */
  readonly #taken: string[][] = [[], []];
  readonly #items: Item[] = [];
  readonly #limits;
  #delivery!: Delivery;
  #life = { isOver: false, isHeld: false, announced: 0n };
  #fed = 0;
  #events = 0;
  #lsn = 0n;
  #confirmed = 0n;
  #fedMark = 0n;

  constructor(maxEvents: number, maxParkedBytes: number) {
    this.#limits = {
      queue: { maxEvents, maxBytes: 1e6 },
      parking: { parkAfter: 30_000, maxParkedBytes, maxParkedAge: 1e9, whenFull: "block" as const },
      retry: { initial: 100, max: 2_000, maxAttempts: 1e9 },
      maxBatchSize: 3,
    };
  }

  async begin(): Promise<void> {
    const life = this.#life = { isOver: false, isHeld: false, announced: 0n };
    const sinks = [0, 1].map((index) => {
      const sink = new ScriptedSink({ concurrency: 1 + index });
      let calls = 0;
      sink.otherwise = async (batch, signal) => {
        const mood = this.moods[index];
        if (life.isOver) return await hang(batch, signal);
        if (mood === "down") throw retryable();
        if (mood === "slow") await new Promise<void>((resolve) => this.#delivery.clock.after(200, resolve));
        if (mood === "moody" && ++calls % 3 === 0) throw retryable();
        const failed = mood === "moody" && calls % 3 === 1 ? batch.length - 1 : batch.length;
        for (const { id } of batch.slice(0, failed)) this.#taken[index]?.push(id);
        return batch.slice(failed).map((_, place) => ({ index: failed + place, error: retryable() }));
      };
      return { sink, ...this.#limits };
    });
    this.#delivery = new Delivery(sinks, {
      outbox: this.shelf.of(life),
      checkpoints: this.shelf.checkpointsOf(life),
      mayDeliver: () => !life.isHeld,
      onConfirmable: (lsn) => {
        if (life.isHeld) life.announced = lsn;
        else if (!life.isOver) this.#confirm(lsn);
      },
    });
    this.#fed = this.#afterConfirmed;
    this.#fedMark = this.#confirmed;
    await this.resume(false);
    await this.#delivery.start();
  }

  /** The stream begins again. */
  async resume(wasElsewhere: boolean): Promise<void> {
    const { mood } = this.shelf;
    this.shelf.mood = "well";
    await this.#delivery.dispatcher.resume({ ...BEGINNING, wasElsewhere, confirmed: this.#confirmed });
    this.shelf.mood = mood;
  }

  /** Another router has the slot for a while, and is killed. */
  async elsewhere(ms: number): Promise<void> {
    const [delivery, life, fed, fedMark] = [this.#delivery, this.#life, this.#fed, this.#fedMark];
    life.isHeld = true;
    delivery.dispatcher.reconsider();
    await this.begin();
    this.feed();
    await this.advance(ms);
    this.#life.isOver = true;
    [this.#delivery, this.#life] = [delivery, life];
    this.#fed = Math.max(fed, this.#afterConfirmed);
    this.#fedMark = fedMark > this.#confirmed ? fedMark : this.#confirmed;
    life.isHeld = false;
    this.#confirm(life.announced);
    await this.resume(true);
  }

  get #afterConfirmed(): number {
    return this.#items.findIndex((item) => "lsn" in item && item.lsn === this.#confirmed) + 1;
  }

  async kill(): Promise<void> {
    this.#life.isOver = true;
    await this.begin();
  }

  produce(keys: readonly string[]): void {
    for (const key of keys) this.#items.push({ key, n: ++this.#events, commitLsn: this.#lsn + 1n });
  }

  mark(): void {
    this.#lsn += 10n;
    this.#items.push({ lsn: this.#lsn });
    this.shelf.lsn = this.#lsn + 5n;
  }

  /** Gives the router what it has room for. */
  feed(): void {
    for (let item = this.#items[this.#fed]; item; item = this.#items[this.#fed]) {
      const aborted = new AbortController();
      const room = this.#delivery.dispatcher.room(aborted.signal);
      room?.catch(() => {});
      aborted.abort();
      if (room) return;
      this.#fed++;
      if ("lsn" in item) {
        this.#fedMark = item.lsn;
        this.#delivery.dispatcher.settle(item.lsn);
      } else {
        const event = {
          ...routerEvent(item.key, item.n),
          position: { commitLsn: item.commitLsn, ordinal: item.n },
        };
        this.#delivery.dispatcher.enqueue(event, [{ sink: 0, route: "r" }, { sink: 1, route: "r" }]);
      }
    }
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      await this.#delivery.clock.advance(Math.min(left, 500));
      this.feed();
    }
  }

  async settleAll(): Promise<void> {
    this.moods.fill("well");
    this.shelf.mood = "well";
    for (let keepalives = 0; keepalives < 5; keepalives++) {
      this.mark();
      await this.advance(60_000);
    }
  }

  verify(): void {
    assert.equal(this.#confirmed, this.#lsn, "all is confirmed");
    const all = this.#items.flatMap((item) => "lsn" in item ? [] : [`${item.key}-${item.n}`]);
    for (const taken of this.#taken) {
      const firsts = [...new Set(taken)];
      for (const key of KEYS) {
        const ofKey = (ids: readonly string[]) => ids.filter((id) => id.startsWith(key));
        assert.deepEqual(ofKey(firsts), ofKey(all), "first occurrences, in commit order");
      }
    }
    assert.deepEqual([this.shelf.ids("Sink0"), this.shelf.ids("Sink1")], [[], []]);
    for (const { breaches } of this.#delivery.sinks) assert.deepEqual(breaches, []);
    for (const state of this.#delivery.dispatcher.states()) {
      const { queuedEvents, queuedBytes, parkedEvents, parkedBytes } = state;
      assert.deepEqual([queuedEvents, queuedBytes, parkedEvents, parkedBytes], [0, 0, 0, 0]);
    }
  }

  async end(): Promise<void> {
    await this.#delivery[Symbol.asyncDispose]();
    assert.equal(this.#delivery.clock.timers, 0);
  }

  #confirm(lsn: Lsn): void {
    if (lsn <= this.#confirmed) return; // somebody else has confirmed more
    const end = this.#items.findIndex((item) => "lsn" in item && item.lsn === lsn);
    for (const item of this.#items.slice(0, end)) {
      if ("lsn" in item) continue;
      for (const [index, taken] of this.#taken.entries()) {
        const id = `${item.key}-${item.n}`;
        if (taken.includes(id)) continue;
        const row = this.shelf.find(`Sink${index}`, id);
        assert(row, `${id} is taken or parked when ${lsn} is confirmed`);
        assert(row.lsn <= this.#fedMark, `the stream has passed ${id}'s row`);
      }
    }
    this.#confirmed = lsn;
  }
}

type Row = ParkedEvent & { readonly lsn: Lsn };

/** What outlives every router. */
class Shelf {
  mood = "well";
  lsn: Lsn = 5n;
  readonly #rows = new Map<string, Map<number, Row>>();
  readonly #checkpoints = new Map<string, SinkCheckpoint>();

  ids(sink: string): string[] {
    return this.#sorted(sink).map(({ event }) => event.id);
  }

  find(sink: string, id: string): Row | undefined {
    return this.#sorted(sink).find(({ event }) => event.id === id);
  }

  /** As a router sees it that may be killed. */
  of(life: { readonly isOver: boolean }): Outbox {
    const answer = async <Result>(work: () => Result): Promise<Result> => {
      await turn();
      if (life.isOver) return await new Promise(() => {});
      if (this.mood === "broken") throw new Error("disk full");
      const result = work();
      if (this.mood === "forgetful") throw new Error("connection reset");
      return result;
    };
    return {
      totals: (sink, after) =>
        answer((): OutboxTotals => {
          const rows = this.#sorted(sink);
          return {
            events: rows.length,
            bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
            unread: rows.filter(({ number }) => number > after).length,
            newest: rows.at(-1)?.number ?? 0,
          };
        }),
      park: (sink, events) => answer(() => this.#add(sink, events)),
      page: (sink, { after, upTo, maxEvents }: OutboxRange) =>
        answer(() =>
          this.#sorted(sink).filter(({ number }) => number > after && number <= upTo).slice(
            0,
            Math.min(maxEvents, 7),
          )
        ),
      forget: (sink, numbers) => answer(() => numbers.forEach((number) => this.#of(sink).delete(number))),
      replace: () => Promise.reject(new Error("is not asked for")),
    };
  }

  checkpointsOf(life: { readonly isOver: boolean }): Checkpoints {
    return {
      load: async () => ({ checkpoints: [...this.#checkpoints.values()], lsn: this.lsn }),
      save: async (checkpoints) => {
        await turn();
        if (life.isOver) return await new Promise(() => {});
        if (this.mood === "broken") throw new Error("disk full");
        for (const checkpoint of checkpoints) this.#checkpoints.set(checkpoint.sink, checkpoint);
      },
    };
  }

  #add(sink: string, events: readonly ParkedEvent[]): Lsn {
    for (const event of events) {
      if (!this.#of(sink).has(event.number)) this.#of(sink).set(event.number, { ...event, lsn: this.lsn });
    }
    return this.lsn;
  }

  #of(sink: string): Map<number, Row> {
    let rows = this.#rows.get(sink);
    if (!rows) this.#rows.set(sink, rows = new Map());
    return rows;
  }

  #sorted(sink: string): Row[] {
    return [...this.#of(sink).values()].toSorted((a, b) => a.number - b.number);
  }
}
