import type { Clock } from "../sink/clock.ts";
import type { Sink } from "../sink/sink.ts";
import type { BatchPlan } from "./batch_plan.ts";
import { Linger } from "./linger.ts";
import type { BatchLimits, PendingEvents, QueuedEvent } from "./pending_events.ts";
import type { StreamTrail } from "./stream_trail.ts";

export interface NextBatchSurroundings {
  readonly clock: Clock;
  readonly pending: PendingEvents;
  readonly trail: StreamTrail;
  /** Whether nobody needs the event any more. */
  readonly isSettledElsewhere: (event: QueuedEvent) => boolean;
  /** A batch that was to wait for more has waited. */
  readonly lingered: () => void;
  /** The event is not to be sent; it is settled, unless somebody else sees to it. */
  readonly leaveOut: (event: QueuedEvent) => void;
  /** Called after some of a batch were left out. */
  readonly leftOut: () => void;
}

/**
 * Chooses what a sink gets next, lets a batch wait for more as the sink prefers, and leaves out what it need not get. To a
 * sink that takes everything in order, what comes apart from the stream goes apart from the rest.
 */
export class NextBatch {
  readonly #of: NextBatchSurroundings;
  /** Of a sink that takes everything in order: it may be asked what it has. */
  #ordered: Sink | undefined;
  #linger: Linger;

  constructor(sink: Sink, plan: BatchPlan, surroundings: NextBatchSurroundings) {
    this.#of = surroundings;
    this.#ordered = plan.inOrder ? sink : undefined;
    this.#linger = new Linger(plan.lingerMs, surroundings.clock, surroundings.lingered);
  }

  /** From now on it is for another sink. */
  serve(sink: Sink, { inOrder, lingerMs }: BatchPlan): void {
    this.#ordered = inOrder ? sink : undefined;
    this.#linger.end();
    this.#linger = new Linger(lingerMs, this.#of.clock, this.#of.lingered);
  }

  /** From now on no batch waits for more events. */
  hurry(): void {
    this.#linger.end();
  }

  /**
   * Undefined when nothing is to be sent for now, empty when all that was taken was left out. The keys of what it gives are
   * held.
   * @param mayGrow whether more events may come: of a queue that is full, nobody would bring more
   */
  take(limits: BatchLimits, isProbe: boolean, mayGrow: boolean): readonly QueuedEvent[] | undefined {
    const { pending } = this.#of;
    if (mayGrow && pending.mayGrow(limits) && this.#linger.waits()) return undefined;
    const taken = pending.take(limits, isProbe);
    if (taken.length === 0) return undefined;
    this.#linger.sent();
    return this.#needed(this.#ordered ? this.#ofOneKind(taken) : taken);
  }

  #ofOneKind(taken: readonly QueuedEvent[]): readonly QueuedEvent[] {
    const end = taken.findIndex(({ isApart }) => isApart !== taken[0]?.isApart);
    if (end < 0) return taken;
    this.#of.pending.restore(taken.slice(end));
    return taken.slice(0, end);
  }

  /** Of events that have been taken, those that are still to be sent. */
  #needed(taken: readonly QueuedEvent[]): readonly QueuedEvent[] {
    const ordered = this.#ordered;
    const { isSettledElsewhere, pending, trail, leaveOut, leftOut } = this.#of;
    const batch = taken.filter((event) =>
      !isSettledElsewhere(event) && !(ordered && this.#hasAlready(ordered, event)) && !event.isSettledEarlier
    );
    if (batch.length === taken.length) return taken;
    const keys = new Set(batch.map(({ key }) => key));
    const kept = new Set(batch);
    for (const event of taken) {
      if (kept.has(event)) continue;
      if (!keys.has(event.key)) pending.release(event.key);
      event.isLeftOut = isSettledElsewhere(event);
      if (ordered && !event.isLeftOut) trail.taken([event]);
      leaveOut(event);
    }
    leftOut();
    return batch;
  }

  /** Nobody needs the event any more, because the sink has it or the database has not. */
  #hasAlready(sink: Sink, event: QueuedEvent): boolean {
    if (this.#of.trail.isObsolete(event)) return true;
    const { event: deliverable } = event.unsettled;
    const hasIt = sink.has?.(deliverable.event, event.isApart) ?? false;
    if (event.isSettledEarlier && !hasIt) this.#of.trail.takeOver(deliverable);
    return hasIt;
  }
}
