import assert from "node:assert/strict";
import type { DeadLetter } from "../../src/deliver/dead_letter.ts";
import type { SinkCheckpoint } from "../../src/deliver/store/checkpoints.ts";
import type { OutboxRange, ParkedEvent } from "../../src/deliver/store/outbox.ts";
import type { DeliveryStore } from "../../src/deliver/store/delivery_store.ts";
import { readStoredEvent } from "../../src/deliver/stored_event.ts";
import { hardEvents } from "./hard_events.ts";
import { routerEvent } from "./router_events.ts";

/** Where a test's stores keep what they keep. */
export interface StorePlace extends AsyncDisposable {
  /** A store of the router of that slot. */
  open(slot: string): DeliveryStore;
}

/** The tests that every store passes. */
export function testStore(name: string, place: () => Promise<StorePlace>): void {
  const test = (what: string, body: (store: DeliveryStore, place: StorePlace) => Promise<void>) =>
    Deno.test(`${name} ${what}`, async () => {
      await using opened = await place();
      await using store = opened.open("one");
      await body(store, opened);
    });

  test("keeps dead letters whole, with all that is known of them", async (store, place) => {
    assert.deepEqual(await store.deadLetters.page({}, 0, 10), [], "nobody has made a store yet");
    const letters = hardEvents().map(([, event]) => letter("Hook", { event: { ...event, graph: "moon" } }));
    await store.deadLetters.write(letters);
    await using again = place.open("one");
    const kept = await again.deadLetters.page({}, 0, 100);
    assert.deepEqual(
      kept.map(({ event = "", graph }) => ({ ...readStoredEvent(event), graph })),
      letters.map(({ event }) => whole(event)),
    );
    const [first] = kept;
    assert(first);
    const { id: _, event: __, ...rest } = first;
    assert.deepEqual(rest, {
      sink: "Hook",
      route: "to-Hook",
      reason: "Cannot deliver: \ufffd400",
      kind: "rejected",
      attempts: 3,
      firstTime: Date.UTC(2026, 0, 1, 12, 0, 0, 7),
      lastTime: Date.UTC(2026, 0, 1, 13),
      status: "pending",
      graph: "moon",
    });
  });

  test("finds dead letters by id, sink, time and status, page by page", async ({ deadLetters }) => {
    const hour = 3_600_000;
    await deadLetters.write(
      [0, 1, 2, 3, 4].map((n) =>
        letter(n < 3 ? "A" : "B", { event: routerEvent("k", n).event, lastTime: n * hour })
      ),
    );
    const numbers = async (...args: Parameters<typeof deadLetters.page>) =>
      (await deadLetters.page(...args)).map(({ lastTime }) => lastTime / hour);
    const ids = (await deadLetters.page({}, 0, 10)).map(({ id }) => id);
    assert.deepEqual(await numbers({}, 0, 2), [0, 1]);
    assert.deepEqual(await numbers({}, ids[1] ?? 0, 2), [2, 3]);
    assert.deepEqual(await numbers({ sink: "B" }, 0, 10), [3, 4]);
    assert.deepEqual(await numbers({ since: 2 * hour }, 0, 10), [2, 3, 4]);
    assert.deepEqual(await numbers({ ids: [ids[0] ?? 0, ids[4] ?? 0, 999_999] }, 0, 10), [0, 4]);
    assert.deepEqual(await numbers({ status: "replay" }, 0, 10), []);
    assert.equal(await deadLetters.replay([ids[3] ?? 0]), 1);
    assert.deepEqual(await numbers({ status: "replay" }, 0, 10), [3]);
    assert.deepEqual(await deadLetters.sinksToReplay(), ["B"]);
    assert.equal(await deadLetters.drop(ids.slice(0, 2)), 2);
    assert.deepEqual(await numbers({}, 0, 10), [2, 3, 4]);
  });

  test("takes a dead letter that failed again for the one that it was", async ({ deadLetters }) => {
    await deadLetters.write([letter("A", {})]);
    const [{ id = 0 } = {}] = await deadLetters.page({}, 0, 10);
    await deadLetters.replay([id]);
    await deadLetters.write([
      letter("A", { replayOf: id, attempts: 1, reason: "410", lastTime: Date.UTC(2026, 1) }),
    ]);
    const [only, ...others] = await deadLetters.page({}, 0, 10);
    assert.deepEqual(others, []);
    const { status, attempts, reason, lastTime } = only ?? {};
    assert.deepEqual([status, attempts, reason, lastTime], ["pending", 4, "410", Date.UTC(2026, 1)]);
  });

  test("keeps parked events whole and in order, until they are forgotten", async (store, place) => {
    const { outbox } = store;
    assert.deepEqual(await outbox.totals("Hook", 0), { events: 0, bytes: 0, unread: 0, newest: 0 });
    const parked = hardEvents().map(([, event], index) => ({ ...row(index + 1), event }));
    const lsn = await outbox.park("Hook", parked.slice(0, 4));
    const later = await outbox.park("Hook", parked.slice(3));
    assert(lsn === undefined ? later === undefined : later !== undefined && lsn < later, "where its WAL is");
    await outbox.park("Other", [row(7)]);

    await using again = place.open("one");
    const { length } = parked;
    assert.deepEqual(
      await again.outbox.page("Hook", { ...ALL, upTo: length }),
      parked.map(({ event, ...rest }) => ({ ...rest, event: whole(event) })),
    );
    const numbers = async (range: Partial<OutboxRange>) =>
      (await outbox.page("Hook", { ...ALL, ...range })).map(({ number }) => number);
    assert.deepEqual(await numbers({ after: 2, upTo: 5 }), [3, 4, 5]);
    assert.deepEqual(await numbers({ maxEvents: 2 }), [1, 2]);
    assert.deepEqual(await numbers({ maxBytes: 30 }), [1, 2, 3]);
    assert.deepEqual(await numbers({ maxBytes: 1 }), [1]);
    await outbox.forget("Hook", [1, 3, 999]);
    assert.deepEqual(await numbers({ upTo: 5 }), [2, 4, 5]);
    assert.deepEqual(await outbox.totals("Hook", 4), {
      events: length - 2,
      bytes: 10 * (length - 2),
      unread: length - 4,
      newest: length,
    });
    await outbox.replace("Hook", [4, 5, 6], [{ ...row(4), route: "gap" }]);
    assert.deepEqual(await numbers({}), [2, 4, ...parked.slice(6).map(({ number }) => number)]);
    assert.equal((await outbox.page("Hook", ALL))[1]?.route, "gap");
    assert.equal((await outbox.totals("Other", 0)).events, 1);
  });

  test("keeps the newest checkpoint of each sink", async (store, place) => {
    assert.deepEqual((await store.checkpoints.load()).checkpoints, []);
    const checkpoint = (sink: string, sequence: string): SinkCheckpoint => ({
      sink,
      systemIdentifier: "7412345678901234567",
      timeline: 2,
      sequence,
      last: "digest id",
    });
    await store.checkpoints.save([checkpoint("A", "1"), checkpoint("B", "2")]);
    await store.checkpoints.save([checkpoint("A", "3")]);
    await using again = place.open("one");
    const kept = (await again.checkpoints.load()).checkpoints.toSorted((a, b) => a.sink < b.sink ? -1 : 1);
    assert.deepEqual(kept, [checkpoint("A", "3"), checkpoint("B", "2")]);
    await using other = place.open("two");
    assert.deepEqual((await other.checkpoints.load()).checkpoints, []);
  });

  test("shows a router nothing of another's", async (store, place) => {
    await using other = place.open("two");
    await store.outbox.park("A", [row(1)]);
    assert.equal((await other.outbox.totals("A", 0)).events, 0);
    assert.deepEqual(await other.outbox.page("A", ALL), []);
    await other.outbox.forget("A", [1]);
    assert.equal((await store.outbox.totals("A", 0)).events, 1);
    await store.deadLetters.write([letter("A", {})]);
    const [{ id = 0 } = {}] = await store.deadLetters.page({}, 0, 10);
    assert.deepEqual(await other.deadLetters.page({}, 0, 10), []);
    assert.equal(await other.deadLetters.replay([id]), 0);
    assert.equal(await other.deadLetters.drop([id]), 0);
    assert.deepEqual(await other.deadLetters.sinksToReplay(), []);
  });
}

const ALL: OutboxRange = { after: 0, upTo: 1_000, maxEvents: 1_000, maxBytes: 1e9 };

function row(number: number): ParkedEvent {
  return {
    number,
    route: "to-Hook",
    graph: "digitaltwins",
    committedAt: Date.UTC(2026, 0, 1) + 0.125,
    parkedAt: Date.UTC(2026, 0, 2),
    bytes: 10,
    event: routerEvent("k", number).event,
  };
}

function letter(sink: string, changed: Partial<DeadLetter>): DeadLetter {
  return {
    sink,
    route: `to-${sink}`,
    reason: "Cannot deliver: \ufffd400",
    kind: "rejected",
    attempts: 3,
    firstTime: Date.UTC(2026, 0, 1, 12, 0, 0, 7),
    lastTime: Date.UTC(2026, 0, 1, 13),
    event: routerEvent("k", 1).event,
    ...changed,
  };
}

/** What is stored of an event: an empty attribute is none, and its line breaks are spaces. */
function whole(event: DeadLetter["event"]) {
  const { sequence, ...rest } = event;
  return { ...rest, ...(sequence && { sequence }) };
}
