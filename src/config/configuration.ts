import type { Path, Problem } from "./problem.ts";
import type { EVENT_FORMATS, TYPE_KEYS, TYPE_PRESETS } from "./schema.ts";

/** A configuration with every default applied. Durations are milliseconds, sizes bytes. */
export interface Configuration {
  /** The file, as it was named. */
  readonly file: string;
  /** The file's folder, absolute: what relative paths are meant from. */
  readonly baseDirectory: string;
  /** CloudEvents source; `{graph}` stands for the graph. */
  readonly eventSource?: string;
  /** Whether data history says who updated a property. */
  readonly trackLastUpdatedBy: boolean;
  readonly maxBatchSize: number;
  readonly source: SourceConfiguration;
  /** `false` where nothing is to be served. */
  readonly http: false | { readonly host: string; readonly port: number };
  /** Whether the router is to look out for changes of the file. */
  readonly watch: boolean;
  readonly shutdownTimeout: number;
  /** Where the router keeps its state; the path is absolute. */
  readonly store: "postgres" | { readonly sqlite: string };
  /** Absolute; absent where dead letters go to the store. */
  readonly deadLetterFile?: string;
  /** Never empty; names are unique. */
  readonly sinks: readonly SinkConfiguration[];
  /** In order; every `sinkName` is that of a sink. */
  readonly routes: readonly RouteConfiguration[];
  /** Every value that may never be shown. */
  readonly secrets: ReadonlySet<string>;
  /**
   * A problem with the value at a path of the file, for a `ConfigurationError` of a later stage: with its line, and
   * without secrets in its message. A value that the file lacks is placed at what it would stand in.
   */
  problemAt(path: Path, message: string): Problem;
}

/** How to reach the server. What is absent is up to libpq's environment variables. File paths are absolute. */
export interface ConnectionConfiguration {
  readonly connectionString?: string;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  readonly passwordFile?: string;
  readonly sslMode?: "disable" | "prefer" | "require" | "verify-ca" | "verify-full";
  /** A path, or `system`. */
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
}

/** Where changes come from. */
export interface SourceConfiguration extends ConnectionConfiguration {
  readonly publication: string;
  readonly slot: string;
  /** Never empty; absent for every graph. */
  readonly graphs?: readonly string[];
  readonly walSenderTimeout: number;
  readonly failover: boolean;
  readonly onSlotLost: "fail" | "recreate" | "recreate-and-snapshot";
  readonly snapshot: "never" | "initial";
}

export interface RetryConfiguration {
  readonly initial: number;
  /** At least `initial`. */
  readonly max: number;
  readonly maxAttempts: number;
}

export interface QueueConfiguration {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

export interface ParkingConfiguration {
  readonly parkAfter: number;
  readonly maxParkedBytes: number;
  readonly maxParkedAge: number;
  readonly whenFull: "block" | "drop-oldest";
}

/** A preset's name, or event types by the keys of what they replace. */
export type TypeMappings =
  | (typeof TYPE_PRESETS)[number]
  | { readonly [Key in (typeof TYPE_KEYS)[number]]?: string };

export interface SinkConfiguration {
  readonly kind: string;
  readonly name: string;
  /** Where it stands in the file. */
  readonly path: Path;
  /** What the kind's own schema made of its keys. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly retry: RetryConfiguration;
  readonly queue: QueueConfiguration;
  readonly parking: ParkingConfiguration;
  /** Absent where this sink says nothing of it: then the sink's own preference counts, then the configuration's. */
  readonly maxBatchSize?: number;
  /** Of its routes, whose own come first. */
  readonly typeMappings?: TypeMappings;
}

export interface RouteConfiguration {
  readonly name?: string;
  readonly sinkName: string;
  readonly eventFormat: (typeof EVENT_FORMATS)[number];
  readonly filter?: string;
  /** A filter in CloudEvents SQL; never beside `filter`. */
  readonly cesql?: string;
  readonly typeMappings?: TypeMappings;
  readonly includeMetadata: boolean;
  /** Where it stands in the file; its sink's path when the file names no routes. */
  readonly path: Path;
}
