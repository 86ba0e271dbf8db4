import type { BatchLimits } from "./pending_events.ts";
import type { SinkSettings } from "./sink_settings.ts";

/** How a sink gets its batches: as it prefers, within what the configuration allows. */
export interface BatchPlan {
  readonly limits: BatchLimits;
  readonly lingerMs: number;
  /** Batches at once. */
  readonly concurrency: number;
  readonly inOrder: boolean;
}

export function batchPlan({ sink, maxBatchSize }: SinkSettings): BatchPlan {
  const { maxEvents = Infinity, maxBytes = Infinity, lingerMs = 0, concurrency = 1, inOrder = false } =
    sink.batch ?? {};
  const limits = { maxEvents: Math.max(1, Math.min(maxBatchSize, maxEvents)), maxBytes };
  return { limits, lingerMs, concurrency: inOrder ? 1 : concurrency, inOrder };
}
