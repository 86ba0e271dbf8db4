import type { Batch, CloudEvent, FailedEvent, Resumption } from "../../src/sink/sink.ts";
import { type Position, positionAfter, Progress } from "../../sinks/kafka/progress.ts";
import { ScriptedSink } from "./scripted_sink.ts";

/** What outlives a sink: everything that was written, and the position that was written with it. */
export class PositionedFarEnd {
  readonly events: CloudEvent[] = [];
  position: Position | undefined;

  get ids(): string[] {
    return this.events.map(({ id }) => id);
  }
}

/** A scripted sink without a position, whose events are in a far end. */
export class PlainSink extends ScriptedSink {
  protected readonly farEnd: PositionedFarEnd;

  constructor(farEnd: PositionedFarEnd, batch: ScriptedSink["batch"] = {}) {
    super(batch);
    this.farEnd = farEnd;
  }

  override async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    const failed = await super.deliver(batch, signal);
    const indexes = new Set(failed.map(({ index }) => index));
    this.farEnd.events.push(...batch.filter((_, index) => !indexes.has(index)));
    return failed;
  }
}

/** One that keeps its position in the far end, as the Kafka sink does. */
export class PositionedSink extends PlainSink {
  /** The ids of what came apart from the stream. */
  readonly apart: string[] = [];
  #progress = new Progress();

  constructor(farEnd: PositionedFarEnd) {
    super(farEnd, { maxEvents: 2, inOrder: true });
  }

  override async connect(signal: AbortSignal, resumption?: Resumption): Promise<void> {
    await super.connect(signal);
    if (resumption) this.#progress = Progress.resumed(this.farEnd.position, resumption);
  }

  has(event: CloudEvent, isApart?: boolean): boolean {
    return this.#progress.has(event, isApart);
  }

  override async deliver(
    batch: Batch,
    signal: AbortSignal,
    isApart = false,
  ): Promise<readonly FailedEvent[]> {
    const failed = await super.deliver(batch, signal);
    if (isApart) {
      this.apart.push(...batch.map(({ id }) => id));
      return failed;
    }
    this.farEnd.position = positionAfter(this.farEnd.position, batch);
    this.#progress.advance(this.farEnd.position);
    return failed;
  }
}
