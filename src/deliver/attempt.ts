import { messageOf } from "../observe/message_of.ts";
import type { Batch, FailedEvent, Sink } from "../sink/sink.ts";
import { SinkError } from "../sink/sink_error.ts";

/** How a call of `deliver` ended. */
export interface Outcome {
  /** By index, the events that did not become durable. */
  readonly failed: ReadonlyMap<number, SinkError>;
  /** The call threw: then this is the error of every event. */
  readonly thrown?: SinkError;
  /** The sink's answer made no sense, so that nobody knows what it took. */
  readonly fault?: string;
}

/** Calls `deliver` once. Never throws, whatever the sink does, and resolves in a later turn in any case. */
export async function attempt(
  sink: Sink,
  batch: Batch,
  signal: AbortSignal,
  isApart: boolean,
): Promise<Outcome> {
  try {
    const failures = await sink.deliver(batch, signal, isApart);
    if (failures.length === 0) return ALL_TAKEN;
    const stray = failures.find(({ index }) => batch[index] === undefined);
    if (stray === undefined) return { failed: byIndex(failures) };
    const fault =
      `Cannot tell what was delivered: the sink returned index ${stray.index} for ${batch.length} events`;
    return { ...wholeBatch(batch, new SinkError("retryable", fault)), fault };
  } catch (error) {
    return wholeBatch(batch, asSinkError(error, "deliver"));
  }
}

/** Whatever else a sink throws may pass by itself, so it is retried. */
export function asSinkError(error: unknown, action: "connect" | "deliver"): SinkError {
  if (error instanceof SinkError) return error;
  const state = messageOf(error);
  return new SinkError("retryable", `Cannot ${action}: ${state}`, { cause: error });
}

const ALL_TAKEN: Outcome = { failed: new Map() };

/** Of an index that is there twice, the first counts. */
function byIndex(failures: readonly FailedEvent[]): ReadonlyMap<number, SinkError> {
  const failed = new Map<number, SinkError>();
  for (const { index, error } of failures) {
    if (!failed.has(index)) failed.set(index, asSinkError(error, "deliver"));
  }
  return failed;
}

function wholeBatch(batch: Batch, thrown: SinkError): Outcome {
  return { failed: new Map(batch.map((_, index) => [index, thrown])), thrown };
}
