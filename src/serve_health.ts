import type { DeadLetterState } from "./deliver/dead_letter_queue.ts";
import type { Dispatcher } from "./deliver/dispatcher.ts";
import type { SinkState } from "./deliver/sink_settings.ts";
import { Health, type PartState } from "./observe/health.ts";
import { type HttpServer, startHttpServer } from "./observe/http_server.ts";
import type { Metrics } from "./observe/metrics.ts";
import type { Redaction } from "./observe/redaction.ts";
import type { ReplicationStream } from "./postgres/replication/replication_stream.ts";
import type { Reloading } from "./reloading.ts";
import type { Setup } from "./setup.ts";
import type { TelemetryEar } from "./telemetry_ear.ts";
import type { Snapshots } from "./twin/snapshots.ts";

/** Says by HTTP how each part of a router is, if that is wanted. */
export function serveHealth(
  { configuration }: Setup,
  redaction: Redaction,
  stream: ReplicationStream,
  snapshots: Snapshots,
  dispatcher: Dispatcher,
  ear: TelemetryEar,
  reloading: Reloading,
  metrics: Metrics,
): HttpServer | undefined {
  if (!configuration.http) return undefined;
  const parts = [
    () => stream.health(),
    () => snapshots.health(),
    () => dispatcher.states().map(sinkPart),
    () => deadLetterPart(dispatcher.deadLetterState),
    () => ear.health(),
    () => reloading.health(),
  ];
  const health = new Health(parts, redaction);
  return startHttpServer({ ...configuration.http, health, metrics });
}

/** A parked sink is no reason to send a router away: its slot moves on. */
function sinkPart(sink: SinkState): PartState {
  const { name, kind, state, since, lastError, queuedEvents, queuedBytes } = sink;
  const { parkedEvents = 0, parkedBytes = 0, holdsSlot = false } = sink;
  const isParked = state === "parked";
  return {
    name: `sink.${name}`,
    ready: state === "connected" || state === "leaving" || (isParked && !holdsSlot),
    ...(isParked && { degraded: true }),
    state,
    since,
    ...(lastError !== undefined && { detail: lastError }),
    facts: { kind, queuedEvents, queuedBytes, parkedEvents, parkedBytes },
  };
}

function deadLetterPart({ state, since, lastError, waiting }: DeadLetterState): PartState {
  return {
    name: "deadLetters",
    ready: state === "ready",
    state,
    since,
    ...(lastError !== undefined && { detail: lastError }),
    facts: { waiting },
  };
}
