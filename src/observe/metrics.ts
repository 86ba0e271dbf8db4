import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { addProcessMetrics } from "./process_metrics.ts";

/** Everything that `/metrics` tells, by name; one registry for each running router, so that tests do not share. */
export class Metrics {
  readonly registry = new Registry();

  readonly changes = new Counter({
    name: "twinrouter_changes_total",
    help: "Changes of twins, relationships and models that were read",
    labelNames: ["entity", "action"] as const,
    registers: [this.registry],
  });

  readonly ignoredRows = new Counter({
    name: "twinrouter_ignored_rows_total",
    help: "Row changes that make no event, by reason",
    labelNames: ["reason"] as const,
    registers: [this.registry],
  });

  readonly telemetry = new Counter({
    name: "twinrouter_telemetry_total",
    help: "Telemetry of followed graphs that was read, by the way it came (message, notify)",
    labelNames: ["way"] as const,
    registers: [this.registry],
  });

  readonly ignoredTelemetry = new Counter({
    name: "twinrouter_ignored_telemetry_total",
    help: "Telemetry that makes no event, by reason",
    labelNames: ["reason"] as const,
    registers: [this.registry],
  });

  readonly snapshotRows = new Counter({
    name: "twinrouter_snapshot_rows_total",
    help: "Twins, relationships and models that snapshots have told",
    registers: [this.registry],
  });

  readonly events = new Counter({
    name: "twinrouter_events_total",
    help: "Events settled, by type, sink and result (delivered, dead_lettered)",
    labelNames: ["type", "sink", "result"] as const,
    registers: [this.registry],
  });

  readonly droppedEvents = new Counter({
    name: "twinrouter_dropped_events_total",
    help:
      "Events that cannot wait (telemetry by NOTIFY) and found a sink's queue full, or were left of a removed sink",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly listening = new Gauge({
    name: "twinrouter_telemetry_listening",
    help: "1 while telemetry by NOTIFY is heard, else 0",
    registers: [this.registry],
  });

  readonly retries = new Counter({
    name: "twinrouter_retries_total",
    help: "Deliveries of an event that a sink did not take and that were tried again",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly queuedEvents = new Gauge({
    name: "twinrouter_queue_events",
    help: "Events that a sink has not settled yet",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly queuedBytes = new Gauge({
    name: "twinrouter_queue_bytes",
    help: "Size of the events that a sink has not settled yet",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly parkedEvents = new Gauge({
    name: "twinrouter_parked_events",
    help: "Events in the store that wait for a sink which takes none",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly parkedBytes = new Gauge({
    name: "twinrouter_parked_bytes",
    help: "Size of the events in the store that wait for a sink which takes none",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly parkedDropped = new Counter({
    name: "twinrouter_parked_dropped_events_total",
    help: "Events that were dropped from the store to make room for newer ones",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly sinkConnected = new Gauge({
    name: "twinrouter_sink_connected",
    help: "1 while a sink can be reached, else 0",
    labelNames: ["sink"] as const,
    registers: [this.registry],
  });

  readonly deliverySeconds = new Histogram({
    name: "twinrouter_delivery_seconds",
    help: "From a transaction's commit to its event's delivery",
    labelNames: ["sink"] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
    registers: [this.registry],
  });

  readonly lagBytes = new Gauge({
    name: "twinrouter_replication_lag_bytes",
    help: "WAL that the server has written and the slot has not confirmed",
    registers: [this.registry],
  });

  /** When the oldest event that is not settled was committed, in milliseconds since 1970; asked at each scrape. */
  oldestCommittedAt: () => number | undefined = () => undefined;

  readonly lagSeconds: Gauge = new Gauge({
    name: "twinrouter_replication_lag_seconds",
    help: "Age of the oldest event that is not settled; 0 with none outstanding",
    registers: [this.registry],
    collect: () => {
      const oldest = this.oldestCommittedAt();
      this.lagSeconds.set(oldest === undefined ? 0 : Math.max(0, (Date.now() - oldest) / 1000));
    },
  });

  readonly slotWalStatus = new Gauge({
    name: "twinrouter_slot_wal_status",
    help:
      "1 for how the slot stands (reserved, extended, unreserved: its WAL may go at any checkpoint, lost)",
    labelNames: ["status"] as const,
    registers: [this.registry],
  });

  readonly slotSafeBytes = new Gauge({
    name: "twinrouter_slot_safe_wal_bytes",
    help: "WAL that may be written before the slot is in danger of being given up; without a limit, nothing",
    registers: [this.registry],
  });

  readonly streaming = new Gauge({
    name: "twinrouter_replication_streaming",
    help: "1 while the replication stream is healthy, else 0",
    registers: [this.registry],
  });

  readonly reconnects = new Counter({
    name: "twinrouter_replication_reconnects_total",
    help: "Times that the replication connection was lost",
    registers: [this.registry],
  });

  readonly configurationReloads = new Counter({
    name: "twinrouter_configuration_reloads_total",
    help: "Reloads of the configuration, by result (applied, refused)",
    labelNames: ["result"] as const,
    registers: [this.registry],
  });

  readonly configurationLoadedAt = new Gauge({
    name: "twinrouter_configuration_loaded_timestamp_seconds",
    help: "When the configuration that is in force was put there, in seconds since 1970",
    registers: [this.registry],
  });

  constructor() {
    addProcessMetrics(this.registry);
  }
}
