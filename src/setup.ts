import type { Configuration, RouteConfiguration, SinkConfiguration } from "./config/configuration.ts";
import { ConfigurationError, type Problem } from "./config/problem.ts";
import type { SinkSettings } from "./deliver/sink_settings.ts";
import { dialectOf } from "./event/dialect.ts";
import { logOf } from "./observe/log.ts";
import { messageOf } from "./observe/message_of.ts";
import { resolveConnectionOptions } from "./postgres/connection/connection_string.ts";
import type { ConnectionOptions } from "./postgres/connection/connection_options.ts";
import type { ReplicationSettings } from "./postgres/replication/replication_settings.ts";
import { CesqlFilter } from "./route/cesql/cesql_filter.ts";
import type { EventFilter } from "./route/event_filter.ts";
import { Filter } from "./route/filter/filter.ts";
import type { Route } from "./route/router.ts";
import type { Sink, SinkContext } from "./sink/sink.ts";

/** A kind of sink, as far as making one goes. */
export interface LoadableKind {
  /** Undefined for a kind that this version only understands the configuration of. */
  readonly load: (() => Promise<{ createSink(options: unknown, context: SinkContext): Sink }>) | undefined;
}

export type LoadableKinds = Readonly<Record<string, LoadableKind>>;

/** What a router is made of, from a configuration; nothing has been connected yet. */
export interface Setup {
  readonly configuration: Configuration;
  readonly replication: ReplicationSettings;
  readonly sinks: readonly SinkSettings[];
  readonly routes: readonly Route[];
}

/**
 * Resolves the connection, loads the configured kinds of sink, and makes the sinks; no I/O beyond loading modules.
 * @throws {ConfigurationError} with everything that cannot be had, each with its line
 */
export async function setUp(
  configuration: Configuration,
  kinds: LoadableKinds,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Setup> {
  const problems: Problem[] = [];
  const connection = readConnection(configuration, environment, problems);
  const routes = readRoutes(configuration, problems);
  const sinks: SinkSettings[] = [];
  for (const sink of configuration.sinks) {
    const settings = await makeSink(sink, configuration, kinds, problems);
    if (settings) sinks.push(settings);
  }
  if (problems.length > 0 || !connection) {
    for (const { sink } of sinks) await sink[Symbol.asyncDispose]();
    throw new ConfigurationError(problems);
  }
  const { slot, publication, graphs, walSenderTimeout, failover, onSlotLost, snapshot } =
    configuration.source;
  return {
    configuration,
    replication: {
      connection,
      slot,
      publication,
      walSenderTimeout,
      failover,
      onSlotLost,
      ...(graphs && { graphs }),
      ...(snapshot === "initial" && { snapshot }),
    },
    sinks,
    routes,
  };
}

function readConnection(
  configuration: Configuration,
  environment: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): ConnectionOptions | undefined {
  try {
    return resolveConnectionOptions(configuration.source, environment);
  } catch (error) {
    problems.push(configuration.problemAt(["events", "config", "source"], messageOf(error)));
    return undefined;
  }
}

function readRoutes(configuration: Configuration, problems: Problem[]): readonly Route[] {
  const indexes = new Map(configuration.sinks.map(({ name }, index) => [name, index]));
  const sinkMappings = configuration.sinks.map(({ typeMappings }) => typeMappings);
  return configuration.routes.flatMap((route): Route[] => {
    const filter = readFilter(route, configuration, problems);
    const sink = indexes.get(route.sinkName);
    if (sink === undefined) return [];
    const { name = `${route.sinkName}/${route.eventFormat}`, eventFormat, includeMetadata } = route;
    const dialect = dialectOf(route.typeMappings, sinkMappings[sink]);
    return [{ name, sink, format: eventFormat, includeMetadata, dialect, ...(filter && { filter }) }];
  });
}

function readFilter(
  { filter, cesql, path }: RouteConfiguration,
  configuration: Configuration,
  problems: Problem[],
): EventFilter | undefined {
  try {
    if (cesql !== undefined) return new CesqlFilter(cesql);
    return filter === undefined ? undefined : new Filter(filter);
  } catch (error) {
    const key = cesql === undefined ? "filter" : "cesql";
    problems.push(configuration.problemAt([...path, key], messageOf(error)));
    return undefined;
  }
}

async function makeSink(
  { kind, name, path, options, retry, queue, parking, maxBatchSize }: SinkConfiguration,
  configuration: Configuration,
  kinds: LoadableKinds,
  problems: Problem[],
): Promise<SinkSettings | undefined> {
  try {
    const load = kinds[kind]?.load;
    if (!load) throw new Error(`this version has no sinks of the kind ${kind}`);
    const { createSink } = await load();
    const { baseDirectory } = configuration;
    const sink = createSink(options, { name, baseDirectory, log: logOf(`sink.${name}`) });
    return {
      name,
      kind,
      sink,
      options,
      retry,
      queue,
      parking,
      maxBatchSize: maxBatchSize ?? sink.batch?.maxEvents ?? configuration.maxBatchSize,
    };
  } catch (error) {
    problems.push(configuration.problemAt(path, messageOf(error)));
    return undefined;
  }
}
