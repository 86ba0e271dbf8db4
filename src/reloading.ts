import type { Configuration } from "./config/configuration.ts";
import { ConfigurationError, formatProblem } from "./config/problem.ts";
import type { BetweenTransactions } from "./between_transactions.ts";
import { needsRestart, routeChanges } from "./configuration_changes.ts";
import type { PartState } from "./observe/health.ts";
import type { Dispatcher } from "./deliver/dispatcher.ts";
import type { SinkChanges } from "./deliver/sink_roster.ts";
import { type Log, logOf } from "./observe/log.ts";
import { messageOf } from "./observe/message_of.ts";
import type { Metrics } from "./observe/metrics.ts";
import type { Redaction } from "./observe/redaction.ts";
import type { Route } from "./route/router.ts";
import type { SnapshotRestrictions } from "./route/snapshot_restrictions.ts";
import type { Routing } from "./routing.ts";
import type { Setup } from "./setup.ts";

/** How a running router gets another configuration. */
export interface Reloads {
  /** Each time that it is to be read again, until `signal` aborts. */
  occasions(signal: AbortSignal): AsyncIterable<unknown>;
  /** @throws {ConfigurationError} when it cannot be used */
  read(): Promise<Setup>;
}

/** What a reload changes. */
export interface Reloadable {
  readonly dispatcher: Pick<Dispatcher, "become">;
  readonly routing: Pick<Routing, "become">;
  readonly restrictions: Pick<SnapshotRestrictions, "become">;
  readonly between: BetweenTransactions;
  readonly redaction: Redaction;
  readonly metrics: Metrics;
  readonly log?: Log;
  /** Called whenever other routes are in force. */
  readonly onRoutes: () => void;
}

/**
 * Puts another configuration in force while the router runs. Sinks come and change at once, so that one which holds up
 * the stream can be mended; routes change between two transactions, and a sink is let go once none leads to it. So each
 * event is routed by one configuration, and gets to all sinks that this one says.
 */
export class Reloading {
  readonly #of: Reloadable;
  readonly #log: Log;
  /** As it was at the start: what needs a restart is still so. */
  readonly #running: Configuration;
  #wanted: Configuration;
  /** Why the file as it is now is not in force. */
  #refusal: string | undefined;
  #since = Date.now();

  constructor({ configuration }: Setup, of: Reloadable) {
    this.#of = of;
    this.#log = of.log ?? logOf("reload");
    this.#running = this.#wanted = configuration;
    of.metrics.configurationLoadedAt.setToCurrentTime();
  }

  /** Ready whatever the state is: the configuration before stays in force. */
  health(): PartState {
    return {
      name: "configuration",
      ready: true,
      state: this.#refusal === undefined ? "in force" : "refused",
      since: this.#since,
      ...(this.#refusal !== undefined && { detail: this.#refusal }),
    };
  }

  get shutdownTimeout(): number {
    return this.#wanted.shutdownTimeout;
  }

  /** Serves one occasion after the other until `signal` aborts; never rejects. */
  async follow(reloads: Reloads, signal: AbortSignal): Promise<void> {
    for await (const _ of reloads.occasions(signal)) {
      try {
        const setup = await reloads.read();
        if (!signal.aborted) await this.#become(setup);
      } catch (error) {
        this.#refuse(error);
      }
    }
  }

  /** Resolves once the next reload may begin: its routes may still wait for the end of a transaction. */
  async #become({ configuration, sinks, routes }: Setup): Promise<void> {
    const { dispatcher, routing, restrictions, between, redaction, metrics, onRoutes } = this.#of;
    for (const secret of configuration.secrets) redaction.add(secret);
    const left = needsRestart(this.#running, configuration);
    if (left.length > 0) {
      this.#log.warn("Changes that need a restart are left out, until there is one", { keys: left });
    }
    const changes = dispatcher.become(sinks, configuration.shutdownTimeout);
    const told = describe(changes, this.#wanted, configuration);
    this.#wanted = configuration;
    this.#refusal = undefined;
    this.#since = Date.now();
    const indexed = routes.map((route) => reindexed(route, sinks.map(({ name }) => name), changes));
    between.do(() => {
      routing.become(indexed);
      restrictions.become(changes.indexes);
      changes.unroute();
      onRoutes();
      this.#log.info("Configuration reloaded", told);
      metrics.configurationReloads.inc({ result: "applied" });
      metrics.configurationLoadedAt.setToCurrentTime();
    });
    await changes.done;
  }

  #refuse(error: unknown): void {
    const why = error instanceof ConfigurationError
      ? { problems: error.problems.map(formatProblem) }
      : { error: messageOf(error) };
    this.#log.error("Configuration is not reloaded, the one before stays in force", why);
    this.#refusal = messageOf(error);
    this.#since = Date.now();
    this.#of.metrics.configurationReloads.inc({ result: "refused" });
  }
}

/** A route whose sink is known by its place among the names, with the index that it has at the dispatcher. */
function reindexed(route: Route, names: readonly string[], { indexes }: SinkChanges): Route {
  const sink = indexes.get(names[route.sink] ?? "");
  if (sink === undefined) throw new Error(`Cannot reload the route ${route.name}: its sink is missing`);
  return { ...route, sink };
}

/** For the log: what is empty is left out. */
function describe(sinks: SinkChanges, before: Configuration, after: Configuration) {
  const routes = routeChanges(before, after);
  const fields = {
    addedSinks: sinks.added,
    removedSinks: sinks.removed,
    changedSinks: sinks.changed,
    addedRoutes: routes.added,
    removedRoutes: routes.removed,
    changedRoutes: routes.changed,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, names]) => names.length > 0));
}
