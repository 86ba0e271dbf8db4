import assert from "node:assert/strict";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import type { Batch, FailedEvent, Sink } from "../../src/sink/sink.ts";
import { SinkError, type SinkErrorKind } from "../../src/sink/sink_error.ts";
import { cloudEvent, cloudEvents } from "./cloud_events.ts";
import { hardEvents } from "./hard_events.ts";
import type { ReceivedEvent } from "./received_event.ts";

/** What a kind of sink delivers to, and the faults that a test can script there; those that a kind lacks are skipped. */
export interface FarEnd extends AsyncDisposable {
  /** Every event that is durable there, in the order of its arrival. */
  received(): Promise<readonly ReceivedEvent[]>;

  /** From now on the far end answers the sink's calls only after this; what the sink sent may have arrived. */
  stall?(until: Promise<void>): void;
  /** Resolves when the sink waits for an answer, with the number of events that no abort can call back any more. */
  stalled?(): Promise<number>;
  /** Refuses this event, whenever it comes, in this way; undefined takes it again. */
  refuse?(event: CloudEvent, kind: SinkErrorKind | undefined): void;
}

export interface SinkCase<End extends FarEnd> {
  /** The kind, and what is special about the case. */
  readonly name: string;
  /** For want of a server. */
  readonly ignore?: boolean;
  start(): Promise<End>;
  create(farEnd: End): Sink;
  /** The far end answers for all events of a batch at once: only what it rejects can be told from the others. */
  readonly answersForAll?: boolean;
  /** A sink whose far end cannot be reached, for kinds that connect to something. */
  createUnreachable?(): Sink;
}

const NEVER = new AbortController().signal;

/** The tests that every sink passes: its contract, as `Sink` states it, against a far end that is read independently. */
export function testSink<End extends FarEnd>(sinkCase: SinkCase<End>): void {
  const { ignore = false } = sinkCase;
  const test = (name: string, body: (farEnd: End, sink: Sink) => Promise<void>) => {
    Deno.test({
      name: `${sinkCase.name} ${name}`,
      ignore,
      sanitizeOps: true,
      sanitizeResources: true,
      fn: async () => {
        await using farEnd = await sinkCase.start();
        await using sink = sinkCase.create(farEnd);
        await sink.connect(NEVER);
        await body(farEnd, sink);
      },
    });
  };

  test("sends no event to connect", async (farEnd, sink) => {
    await sink.connect(NEVER);
    assert.deepEqual(await farEnd.received(), []);
  });

  test("delivers a batch in order", async (farEnd, sink) => {
    const batch = cloudEvents(50, 5);
    assert.deepEqual(await deliver(sink, batch), []);
    assertArrived(await farEnd.received(), batch);
  });

  test("delivers batch after batch in order", async (farEnd, sink) => {
    for (let first = 0; first < 20; first += 4) {
      assert.deepEqual(await deliver(sink, cloudEvents(4, 3, first)), []);
    }
    assertArrived(await farEnd.received(), cloudEvents(20, 3));
  });

  for (const [what, event] of hardEvents()) {
    test(`delivers ${what} as it is`, async (farEnd, sink) => {
      assert.deepEqual(await deliver(sink, [event]), []);
      assertArrived(await farEnd.received(), [event]);
    });
  }

  test("delivers 10,000 events in one batch", async (farEnd, sink) => {
    const batch = cloudEvents(10_000, 100);
    assert.deepEqual(await deliver(sink, batch), []);
    assertArrived(await farEnd.received(), batch);
  });

  test("delivers as many batches at once as it says", async (farEnd, sink) => {
    const batches = Array.from({ length: sink.batch?.concurrency ?? 1 }, (_, index) => {
      return Array.from(
        { length: 10 },
        (_, each) => cloudEvent(index * 10 + each, { partitionkey: `room-${index}` }),
      );
    });
    const failed = await Promise.all(batches.map((batch) => deliver(sink, batch)));
    assert.deepEqual(failed.flat(), []);
    assertArrived(await farEnd.received(), batches.flat());
  });

  test("sends nothing once it was told to stop", async (farEnd, sink) => {
    const failed = await deliver(sink, cloudEvents(3), AbortSignal.abort());
    assert.deepEqual(summary(failed), ["0 retryable", "1 retryable", "2 retryable"]);
    assert.deepEqual(await farEnd.received(), []);
    assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
    assertArrived(await farEnd.received(), cloudEvents(3));
  });

  test("waits for a slow far end", async (farEnd, sink) => {
    if (!farEnd.stall || !farEnd.stalled) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    farEnd.stall(promise);
    let settled = false;
    const delivery = deliver(sink, cloudEvents(5)).finally(() => settled = true);
    await farEnd.stalled();
    assert.equal(settled, false, "it resolved before the far end had answered");
    resolve();
    assert.deepEqual(await delivery, []);
    assertArrived(await farEnd.received(), cloudEvents(5));
  });

  test("ends at once when it is told to stop, and sends no more", async (farEnd, sink) => {
    if (!farEnd.stall || !farEnd.stalled) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    farEnd.stall(promise);
    const stop = new AbortController();
    const delivery = deliver(sink, cloudEvents(5), stop.signal);
    const underWay = await farEnd.stalled();
    stop.abort();
    // The far end has still not answered: what resolves this is the abort.
    const failed = await delivery;
    assert(failed.length > 0);
    assert(failed.every(({ error }) => error.kind === "retryable"), summary(failed).join());
    resolve();

    // Whatever the first attempt left there, the second brings everything, and the whole is in order.
    assert.deepEqual(await deliver(sink, cloudEvents(5)), []);
    const received = await farEnd.received();
    assertArrived(received.slice(-5), cloudEvents(5));
    assert(
      received.length <= 5 + underWay,
      `${received.length} events arrived, though ${underWay} were under way`,
    );
  });

  for (const kind of ["retryable", "rejected", "fatal"] as const) {
    test(`reports a ${kind} event by its index and holds back its key's later ones`, async (farEnd, sink) => {
      if (!farEnd.refuse) return;
      const batch = cloudEvents(9, 3);
      const refused = batch[4];
      assert(refused);
      farEnd.refuse(refused, kind);
      const failed = await deliver(sink, batch);

      assert.deepEqual(summary(failed.filter(({ index }) => index === 4)), [`4 ${kind}`]);
      if (kind === "rejected" || !sinkCase.answersForAll) {
        assert.deepEqual(summary(failed.filter(({ index }) => index === 7)), ["7 retryable"]);
      } else assert.deepEqual(summary(failed), batch.map((_, index) => `${index} ${kind}`));
      assertHonest(batch, failed, await farEnd.received());
      if (kind === "rejected") assert.deepEqual(summary(failed), ["4 rejected", "7 retryable"]);

      farEnd.refuse(refused, undefined);
      const again = failed.map(({ index }) => batch[index]).filter((event) => event !== undefined);
      assert.deepEqual(await deliver(sink, again), []);
      const received = await farEnd.received();
      assertArrived(received, batch);
    });
  }

  if (sinkCase.createUnreachable) {
    const create = sinkCase.createUnreachable.bind(sinkCase);
    Deno.test({ name: `${sinkCase.name} says that its far end cannot be reached`, ignore }, async () => {
      await using sink = create();
      const error = await failureOf(sink.connect(NEVER));
      assert.equal(error.kind, "retryable");
      assert.match(error.message, /^Cannot /);
    });
  }

  Deno.test({ name: `${sinkCase.name} can be let go of without having been used`, ignore }, async () => {
    await using farEnd = await sinkCase.start();
    await using _sink = sinkCase.create(farEnd);
  });
}

/** `deliver`, with a throw taken apart into the failure of each event, which is what it means. */
export async function deliver(sink: Sink, batch: Batch, signal = NEVER): Promise<readonly FailedEvent[]> {
  try {
    return await sink.deliver(batch, signal);
  } catch (error) {
    assert(error instanceof SinkError, `not a SinkError: ${error}`);
    return batch.map((_, index) => ({ index, error }));
  }
}

/** The `SinkError` of a promise that must fail. */
export async function failureOf(work: Promise<unknown>): Promise<SinkError> {
  try {
    await work;
  } catch (error) {
    assert(error instanceof SinkError, `not a SinkError: ${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}

/** Failures as `4 rejected`. */
export function summary(failed: readonly FailedEvent[]): string[] {
  return failed.map(({ index, error }) => `${index} ${error.kind}`);
}

/** Every event has arrived once, as it was, and those of each key in their order. */
export function assertArrived(received: readonly ReceivedEvent[], sent: Batch): void {
  const byKey = (events: readonly { readonly key: string; readonly id: string }[]) => {
    const ids: Record<string, string[]> = {};
    for (const { key, id } of events) (ids[key] ??= []).push(id);
    return ids;
  };
  assert.deepEqual(
    byKey(received.map(({ attributes: { partitionkey = "", id } }) => ({ key: partitionkey, id }))),
    byKey(sent.map(({ partitionkey, id }) => ({ key: partitionkey, id }))),
  );
  const sentById = new Map(sent.map((event) => [event.id, event]));
  for (const { attributes, data } of received) {
    const { data: expectedData, graph: _, ...expected } = sentById.get(attributes.id) ?? cloudEvent(-1);
    const present = Object.entries(expected).filter(([, value]) => value !== "");
    assert.deepEqual(attributes, { specversion: "1.0", ...Object.fromEntries(present) });
    assert.equal(data, expectedData);
  }
}

/** What the sink reports is what happened: nothing else arrived, and nothing after a failure of its key. */
function assertHonest(
  batch: Batch,
  failed: readonly FailedEvent[],
  received: readonly ReceivedEvent[],
): void {
  const failedIndexes = new Set(failed.map(({ index }) => index));
  assertArrived(received, batch.filter((_, index) => !failedIndexes.has(index)));
}
