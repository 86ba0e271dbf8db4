import manifest from "../deno.json" with { type: "json" };
import { BetweenTransactions } from "./between_transactions.ts";
import { DeadLetterFile } from "./deliver/dead_letter_file.ts";
import { Dispatcher } from "./deliver/dispatcher.ts";
import { type DeliveryStore, StoreRefusal } from "./deliver/store/delivery_store.ts";
import { EventFactory } from "./event/event_factory.ts";
import { defaultEventSource } from "./event/event_source.ts";
import { type Log, logOf } from "./observe/log.ts";
import { Metrics } from "./observe/metrics.ts";
import { Redaction } from "./observe/redaction.ts";
import { openStore } from "./open_store.ts";
import { replicatedRows } from "./postgres/replicated_rows.ts";
import type { ReplicationSettings } from "./postgres/replication/replication_settings.ts";
import { ReplicationStream } from "./postgres/replication/replication_stream.ts";
import type { Replicated } from "./postgres/row_change.ts";
import type { Connected } from "./postgres/replication/stream_chunk.ts";
import { Reloading, type Reloads } from "./reloading.ts";
import type { RoutedEvent } from "./route/router.ts";
import { SnapshotRestrictions } from "./route/snapshot_restrictions.ts";
import { Routing } from "./routing.ts";
import { serveHealth } from "./serve_health.ts";
import type { Setup } from "./setup.ts";
import { TelemetryEar } from "./telemetry_ear.ts";
import type { Models } from "./twin/models.ts";
import { NotifiedTelemetry } from "./twin/notified_telemetry.ts";
import { readModels } from "./twin/read_models.ts";
import { ReplayGuard } from "./twin/replay_guard.ts";
import { Snapshots } from "./twin/snapshots.ts";
import type { SnapshotMark, TwinItem } from "./twin/twin_change.ts";
import { TwinChanges } from "./twin/twin_changes.ts";

/**
 * The whole way of the data, from the WAL to the sinks and the position back:
 *
 *     stream ─ bytes → replicatedRows ─ rows → toTwins ─ changes → toEvents ─ events → dispatcher → sinks
 *       │                                          snapshots ──┘                           │
 *       └───────────────── confirm(lsn) ← all that every sink has settled ─────────────────┘
 *                                 listener ─ NOTIFY ─ events ─ offer → (telemetry that may be lost; nothing waits for it)
 *
 * Each stage is an async iterator over arrays, one for each read of the socket. Nothing runs ahead: when a sink's queue
 * is full, `room` waits, nobody reads, and PostgreSQL keeps the rest. Nothing is delivered while another router may have
 * the slot. Another configuration takes over between two transactions. Resolves when `signal` has aborted and what was
 * under way has been delivered, or `shutdownTimeout` is over.
 */
export async function runRouter(setup: Setup, signal: AbortSignal, reloads?: Reloads): Promise<void> {
  const { configuration, replication, sinks } = setup;
  const log = logOf("router");
  const metrics = new Metrics();
  await using stream = new ReplicationStream(replication, { metrics, log: logOf("replication") });
  const restrictions = new SnapshotRestrictions(sinks.map(({ name }) => name));
  await using snapshots = new Snapshots(stream, {
    settings: replication,
    metrics,
    refuse: (request) => restrictions.refusal(request),
  });
  await using store = openStore(setup);
  await prepare(store, configuration.store !== "postgres", log);
  const { deadLetterFile } = configuration;
  const routing = new Routing(setup.routes);
  await using dispatcher = new Dispatcher(sinks, {
    outbox: store.outbox,
    checkpoints: store.checkpoints,
    gapType: (route) => routing.gapTypeOf(route),
    ...(deadLetterFile === undefined
      ? { deadLetters: store.deadLetters, shelf: store.deadLetters }
      : { deadLetters: new DeadLetterFile(deadLetterFile) }),
    metrics,
    mayDeliver: () => stream.holdsSlot,
    onConfirmable(lsn) {
      stream.confirm(lsn);
      snapshots.confirmed(lsn);
    },
  });
  metrics.oldestCommittedAt = () => dispatcher.oldestCommittedAt;
  const telemetry = new NotifiedTelemetry({
    metrics,
    ...(replication.graphs && { graphs: replication.graphs }),
  });
  await using ear = new TelemetryEar(replication.connection, metrics, (notification) => {
    if (!stream.holdsSlot) return telemetry.leave(); // another router may be hearing it
    const events: RoutedEvent[] = [];
    const item = telemetry.read(notification);
    if (item) routing.route(item, events);
    for (const { event, targets } of events) dispatcher.offer(event, targets);
  });
  // What was heard before the slot was held would be left.
  const listen = () => ear.listen(routing.wantsTelemetry && (ear.isListening || stream.holdsSlot));
  stream.onHoldChange = () => {
    dispatcher.reconsider();
    listen();
  };
  stream.onSafe = (lsn) => dispatcher.safe(lsn);
  const onRoutes = () => {
    listen();
    dispatcher.routedBy(routing.digest);
  };
  const redaction = new Redaction(configuration.secrets);
  const between = new BetweenTransactions();
  const reloading = new Reloading(setup, {
    dispatcher,
    routing,
    restrictions,
    between,
    redaction,
    metrics,
    onRoutes,
  });
  await using _http = serveHealth(setup, redaction, stream, snapshots, dispatcher, ear, reloading, metrics);
  dispatcher.start();
  log.info("Twinrouter starts", { version: manifest.version, sinks: sinks.map(({ name }) => name) });

  const rows = replicatedRows(stream, signal);
  const changes = toTwins(rows, stream, replication, metrics);
  const begin = (connected: Connected) => {
    routing.begin(eventFactory(setup, connected, routing.models));
    onRoutes();
  };
  const events = toEvents(snapshots.into(changes), routing, stream, restrictions, between, begin, signal);
  const end = new AbortController();
  const following = reloads && reloading.follow(reloads, AbortSignal.any([signal, end.signal]));
  let connection = signal;
  try {
    for await (const items of events) {
      for (const item of items) {
        switch (item.kind) {
          case "event": {
            // Once the connection is lost nothing is delivered, so that there would never be room; and nobody reads on.
            const room = dispatcher.room(connection);
            if (room) await room.catch(() => signal.throwIfAborted());
            dispatcher.enqueue(item.event, item.targets);
            break;
          }
          case "settle":
            dispatcher.settle(item.lsn);
            break;
          case "connected":
            connection = AbortSignal.any([signal, item.lost]);
            await dispatcher.resume(item, signal);
            dispatcher.begin({ ...item, slot: replication.slot }, !item.sameTimelineAsBefore);
            break;
          default:
            item satisfies never;
        }
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    end.abort();
    await ear[Symbol.asyncDispose]();
    await dispatcher.drain(AbortSignal.timeout(reloading.shutdownTimeout));
    await following;
    const left = Object.fromEntries(
      dispatcher.states().map(({ name, queuedEvents }) => [name, queuedEvents]),
    );
    log.info("Delivery has ended; what is left comes again at the next start", { left });
  }
}

/** A file that cannot be had is a mistake; a database may let the router do without. */
async function prepare(store: DeliveryStore, isNeeded: boolean, log: Log): Promise<void> {
  const prepared = store.prepare();
  if (isNeeded) return await prepared;
  prepared.catch((error: unknown) => {
    if (error instanceof StoreRefusal) log.warn(error.message);
  });
}

/** Rows → changes of twins, relationships and models, each of them once however often the server sends it. */
async function* toTwins(
  batches: AsyncIterable<readonly (Replicated | Connected)[]>,
  stream: ReplicationStream,
  { graphs, slot }: ReplicationSettings,
  metrics: Metrics,
): AsyncGenerator<readonly (TwinItem | Connected)[]> {
  const twins = new TwinChanges({
    metrics,
    slot,
    ...(graphs && { graphs }),
    onCatalogChange: () => stream.labelsChanged(),
  });
  const guard = new ReplayGuard();
  for await (const rows of batches) {
    const items: TwinItem[] = [];
    for (const row of rows) {
      if (row.kind === "connected") {
        guard.restart(row.sameTimelineAsBefore);
        yield [row];
      } else twins.push(row, items);
    }
    yield items.filter((item) => item.kind === "settle" || guard.admits(item.transaction));
  }
}

/** How long reading the models may take before the connection counts as lost. */
const MODELS_TIMEOUT = 60_000;

type Routed = RoutedEvent | Extract<TwinItem, { kind: "settle" }> | Connected;

/**
 * Changes → events, with the sinks that get each; each by the routes in force, and as the models are known, where it
 * stands. `begin` is called once, as soon as it is known of which database they are.
 */
async function* toEvents(
  batches: AsyncIterable<readonly (Exclude<TwinItem, SnapshotMark> | Connected)[]>,
  routing: Routing,
  stream: ReplicationStream,
  restrictions: SnapshotRestrictions,
  between: BetweenTransactions,
  begin: (connected: Connected) => void,
  signal: AbortSignal,
): AsyncGenerator<readonly Routed[]> {
  let isInTransaction = false;
  for await (const changes of batches) {
    between.left();
    let items: Routed[] = [];
    for (const change of changes) {
      switch (change.kind) {
        case "change":
        case "gap":
        case "telemetry": {
          isInTransaction = true;
          const restriction = change.kind === "change" && change.snapshot
            ? restrictions.of(change.snapshot)
            : undefined;
          if (restriction?.filter?.asksForModels) routing.wantModels();
          if (routing.lacksModels) await readAllModels(routing, stream, signal);
          if (routing.wantsModels && change.kind !== "telemetry") routing.models.follow(change);
          routing.route(change, items, restriction);
          break;
        }
        case "settle":
          isInTransaction = false;
          items.push(change);
          if (!between.isWanted) break;
          yield items; // once that is back, they are all queued
          items = [];
          between.reached();
          between.left();
          break;
        case "connected":
          items.push(change);
          if (!routing.isReady) begin(change);
          if (routing.wantsModels) await readAllModels(routing, stream, signal);
          break;
        default:
          change satisfies never;
      }
    }
    yield items;
    if (!isInTransaction) between.reached();
  }
}

async function readAllModels(
  routing: Routing,
  stream: ReplicationStream,
  signal: AbortSignal,
): Promise<void> {
  routing.knowModels(); // where that fails, the next connection tells them
  try {
    const timeout = AbortSignal.timeout(MODELS_TIMEOUT);
    await readModels(routing.models, stream, AbortSignal.any([signal, timeout]));
  } catch (error) {
    stream.beginAgain(error);
  }
}

function eventFactory(
  { configuration, replication }: Setup,
  connected: Connected,
  models: Models,
): EventFactory {
  const { systemIdentifier, database } = connected;
  // Decided once, so that a key does not change its form while the program runs.
  const severalGraphs = Math.max(connected.graphCount, replication.graphs?.length ?? 0) > 1;
  const source = configuration.eventSource ??
    defaultEventSource(replication.connection.hosts[0]?.host ?? "localhost", database);
  const { trackLastUpdatedBy } = configuration;
  return new EventFactory({ source, systemIdentifier, database, severalGraphs, models, trackLastUpdatedBy });
}
