import { resolve } from "node:path";
import type { z } from "zod";
import type {
  ConnectionConfiguration,
  ParkingConfiguration,
  QueueConfiguration,
  RetryConfiguration,
  RouteConfiguration,
  SinkConfiguration,
} from "./configuration.ts";
import { TOP } from "./cross_checks.ts";
import type { ConfigurationSchema, SinkKinds } from "./schema.ts";

type Parsed = z.output<ConfigurationSchema>["events"]["config"];

/** A source, or what of it tells how to reach the server, its file paths absolute. */
export function resolveSource<Source extends ConnectionConfiguration>(
  source: Source,
  baseDirectory: string,
): Source {
  const absolute: Record<string, string> = {};
  for (const key of ["passwordFile", "sslRootCert", "sslCert", "sslKey"] as const) {
    const path = source[key];
    if (path !== undefined && !(key === "sslRootCert" && path === "system")) {
      absolute[key] = resolve(baseDirectory, path);
    }
  }
  return { ...source, ...absolute };
}

/** The sinks of every kind, each with what it does not say itself taken from `defaults`. */
export function resolveSinks(
  eventSinks: Parsed["eventSinks"],
  defaults: {
    readonly retry: RetryConfiguration;
    readonly queue: QueueConfiguration;
    readonly parking: ParkingConfiguration;
  },
): readonly SinkConfiguration[] {
  return Object.entries(eventSinks).flatMap(([kind, sinks]) =>
    sinks?.map(({ name, maxBatchSize, retry, queue, parking, typeMappings, ...options }, index) => ({
      kind,
      name,
      path: [...TOP, "eventSinks", kind, index],
      options,
      retry: { ...defaults.retry, ...retry },
      queue: { ...defaults.queue, ...queue },
      parking: { ...defaults.parking, ...parking },
      ...(maxBatchSize !== undefined && { maxBatchSize }),
      ...(typeMappings !== undefined && { typeMappings }),
    })) ?? []
  );
}

/** The routes with their formats; one to each sink when the file names none. */
export function resolveRoutes(
  eventRoutes: Parsed["eventRoutes"],
  sinks: readonly SinkConfiguration[],
  kinds: SinkKinds,
): readonly RouteConfiguration[] {
  const formats = new Map(sinks.map(({ name, kind }) => [name, kinds[kind]?.defaultFormat]));
  const defaultFormat = (name: string) => formats.get(name) ?? "EventNotification";
  if (!eventRoutes) {
    return sinks.map(({ name, path }) => ({
      sinkName: name,
      eventFormat: defaultFormat(name),
      includeMetadata: false,
      path,
    }));
  }
  return eventRoutes.map((route, index) => ({
    ...route,
    eventFormat: route.eventFormat ?? defaultFormat(route.sinkName),
    path: [...TOP, "eventRoutes", index],
  }));
}
