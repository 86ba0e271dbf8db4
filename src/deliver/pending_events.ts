import type { Failures } from "./assessment.ts";
import type { UnsettledEvent } from "./checkpoint.ts";
import { LinkedQueue } from "./linked_queue.ts";
import type { ParkingPlace } from "./parking_place.ts";
import type { StreamPosition } from "./stream_position.ts";

/** Where an event comes from that is no news of the stream, and who wants to know what became of it. */
export interface Origin {
  /** The dead letter that it was. */
  readonly letter?: number;
  /** The sink took it, or it has become a dead letter that is durable. */
  settled(event: QueuedEvent): void;
}

/** An event in one sink's queue. */
export class QueuedEvent {
  readonly unsettled: UnsettledEvent;
  /** Which route chose it, for dead letters. */
  readonly route: string;
  /** Undefined for what the stream has just told. */
  readonly origin: Origin | undefined;
  /** It becomes a dead letter. */
  isBuried = false;
  /** Which history of the database it is of, as the worker counts them. */
  history = 0;
  /** It was settled before the router started. */
  isSettledEarlier = false;
  /** It was not sent, since somebody else sees to it. */
  isLeftOut = false;
  /** What was tried, once a delivery has failed. */
  failures: Failures | undefined = undefined;
  // The queue's.
  next: QueuedEvent | undefined = undefined;
  /** Counts up in the order in which events came. */
  turn = 0;
  /** The outbox's, once it has got one. */
  parking: ParkingPlace | undefined = undefined;
  /** Nobody but the outbox is to get it. */
  isHeld = false;
  // Of those that are settled nowhere, in commit order.
  older: QueuedEvent | undefined = undefined;
  newer: QueuedEvent | undefined = undefined;
  /** Where the stream stood before it. */
  before: StreamPosition | undefined = undefined;

  constructor(unsettled: UnsettledEvent, route: string, origin?: Origin) {
    this.unsettled = unsettled;
    this.route = route;
    this.origin = origin;
  }

  /** It does not come in its place in the stream: once it is in the outbox, or may be, it comes when it can. */
  get isApart(): boolean {
    return this.origin !== undefined || this.parking !== undefined;
  }

  /** Events of one key are delivered in order. */
  get key(): string {
    return this.unsettled.event.event.partitionkey;
  }
}

/** How large a batch may be. */
export interface BatchLimits {
  readonly maxEvents: number;
  /** UTF-8 bytes of the bodies; one larger event goes alone. */
  readonly maxBytes: number;
}

/** What is known of a key that is held, or that has events waiting apart from the others. */
class Lane {
  readonly key: string;
  /** Events that were met while the key was held; all of them come before the key's fresh ones. */
  readonly waiting = new LinkedQueue<QueuedEvent>();
  /** The batch that holds the key, or `true` for a retry that is waited for. */
  heldBy: Batch | true | undefined;
  next: Lane | undefined = undefined;

  constructor(key: string, heldBy: Batch | true) {
    this.key = key;
    this.heldBy = heldBy;
  }
}

/** Events gathered to be sent together. */
class Batch {
  readonly events: QueuedEvent[] = [];
  readonly #limits: BatchLimits;
  #bytes = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get isFull(): boolean {
    return this.events.length >= this.#limits.maxEvents;
  }

  /** Adds the event if it fits. */
  add(event: QueuedEvent): boolean {
    const bytes = this.#bytes + event.unsettled.bytes;
    if (this.isFull || (this.events.length > 0 && bytes > this.#limits.maxBytes)) return false;
    this.events.push(event);
    this.#bytes = bytes;
    return true;
  }
}

/**
 * The events that wait for one sink, in commit order for each key. `take` holds the keys of the events that it gives;
 * later events of a held key are moved aside when they come up, once each, so that the others pass: every event costs
 * amortised constant time, however many keys are held.
 */
export class PendingEvents {
  /** In commit order. */
  readonly #fresh = new LinkedQueue<QueuedEvent>();
  #freshBytes = 0;
  /** Of keys that are held or have events waiting; most keys have none. */
  readonly #lanes = new Map<string, Lane>();
  /** Lanes that are free again and have events waiting. */
  readonly #ready = new LinkedQueue<Lane>();
  #turns = 0;

  push(event: QueuedEvent): void {
    event.turn = ++this.#turns;
    this.#fresh.push(event);
    this.#freshBytes += event.unsettled.bytes;
  }

  /** Whether events wait, but no full batch, and none that has waited for its key already. */
  mayGrow(limits: BatchLimits): boolean {
    return this.#ready.size === 0 && this.#fresh.size > 0 && this.#fresh.size < limits.maxEvents &&
      this.#freshBytes < limits.maxBytes;
  }

  /**
   * Takes the next events and holds their keys until they are given back or released. Events that had to wait for
   * their key come first, or last if `freshFirst`; within each of the two, and within each key, in commit order.
   */
  take(limits: BatchLimits, freshFirst = false): QueuedEvent[] {
    const batch = new Batch(limits);
    if (freshFirst) this.#takeFresh(batch);
    this.#takeReady(batch);
    if (!freshFirst) this.#takeFresh(batch);
    return batch.events;
  }

  #takeReady(batch: Batch): void {
    for (let lane = this.#ready.first; lane !== undefined && !batch.isFull; lane = this.#ready.first) {
      while (lane.waiting.first !== undefined && batch.add(lane.waiting.first)) {
        lane.heldBy = batch;
        lane.waiting.shift();
      }
      if (lane.heldBy === undefined) return; // not even its first event fitted
      this.#ready.shift();
    }
  }

  #takeFresh(batch: Batch): void {
    for (let event = this.#fresh.first; event !== undefined && !batch.isFull; event = this.#fresh.first) {
      const lane = this.#lanes.get(event.key);
      const isFree = lane === undefined || (lane.heldBy === batch && lane.waiting.size === 0);
      if (isFree && !batch.add(event)) return;
      this.#fresh.shift();
      this.#freshBytes -= event.unsettled.bytes;
      if (lane === undefined) this.#lanes.set(event.key, new Lane(event.key, batch));
      else if (!isFree) lane.waiting.push(event);
    }
  }

  /** Frees a key; its waiting events may be taken. Does nothing for a key that is free. */
  release(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane === undefined || lane.heldBy === undefined) return;
    lane.heldBy = undefined;
    if (lane.waiting.size > 0) this.#ready.push(lane);
    else this.#lanes.delete(key);
  }

  /** Takes every event, and frees every key. Only while no batch is out. */
  takeAll(): QueuedEvent[] {
    const events: QueuedEvent[] = [];
    for (const { waiting } of this.#lanes.values()) takeFrom(waiting, events);
    takeFrom(this.#fresh, events);
    this.#freshBytes = 0;
    this.#lanes.clear();
    takeFrom(this.#ready, []);
    return events;
  }

  /** Has everything wait in the order in which it came; nothing may be taken. */
  putInOrder(): void {
    for (const event of this.takeAll().toSorted((a, b) => a.turn - b.turn)) this.push(event);
  }

  /** Takes every event that waits; keys that are held stay so. */
  takeWaiting(): QueuedEvent[] {
    const events: QueuedEvent[] = [];
    for (const { key, waiting, heldBy } of this.#lanes.values()) {
      takeFrom(waiting, events);
      if (heldBy === undefined) this.#lanes.delete(key);
    }
    takeFrom(this.#fresh, events);
    this.#freshBytes = 0;
    takeFrom(this.#ready, []);
    return events;
  }

  /** Gives a taken event back as the first of its key, which stays held. Later events of the key come back before it. */
  giveBack(event: QueuedEvent): void {
    const lane = this.#lanes.get(event.key);
    if (lane === undefined) throw new Error("Cannot give an event back: its key is not held");
    lane.heldBy = true;
    lane.waiting.unshift(event);
  }

  /** Gives a taken batch back as if it had never been taken: its events are the next again, in their order. */
  restore(batch: readonly QueuedEvent[]): void {
    for (const event of batch.toReversed()) {
      const lane = this.#lanes.get(event.key);
      if (lane !== undefined && lane.waiting.size > 0) {
        lane.waiting.unshift(event);
      } else {
        this.#fresh.unshift(event);
        this.#freshBytes += event.unsettled.bytes;
      }
    }
    for (const event of batch) this.release(event.key);
  }
}

function takeFrom<Item extends { next: Item | undefined }>(queue: LinkedQueue<Item>, into: Item[]): void {
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) into.push(item);
}
