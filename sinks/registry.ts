import type { z } from "zod";
import type { EventFormat, Sink, SinkContext } from "../src/sink/sink.ts";
import { options as consoleOptions } from "./console/config.ts";
import { options as fileOptions } from "./file/config.ts";
import { options as kafkaOptions } from "./kafka/config.ts";
import { options as kustoOptions, refuses as kustoRefuses } from "./kusto/config.ts";
import { options as mqttOptions } from "./mqtt/config.ts";
import { options as webhookOptions } from "./webhook/config.ts";

/** A kind of sink, as a configuration names it under `eventSinks`. */
export interface SinkKind {
  /** Keys of its own; the configuration adds those that every sink has. */
  readonly options: z.ZodObject;
  /** Of its routes that name no format. */
  readonly defaultFormat: EventFormat;
  /** Why a sink with these options takes no events of the format, where that is so. */
  readonly refuses?: (format: EventFormat, options: Readonly<Record<string, unknown>>) => string | undefined;
  /** Loads the sink itself; undefined for a kind whose configuration is only understood. */
  readonly load: (() => Promise<SinkModule>) | undefined;
}

/** What `sinks/<kind>/mod.ts` exports. */
export interface SinkModule {
  /** A `CreateSink` of the options that the kind's own schema gave, which the compiler cannot see from here. */
  createSink(options: unknown, context: SinkContext): Sink;
}

/**
 * Every kind of sink. Its `config.ts` is always loaded and imports no library but zod; its `mod.ts` only when a sink
 * of it is configured, by an `import()` written out so that `deno compile` sees it.
 */
export const sinkKinds = {
  console: {
    options: consoleOptions,
    defaultFormat: "EventNotification",
    load: () => import("./console/mod.ts"),
  },
  file: {
    options: fileOptions,
    defaultFormat: "EventNotification",
    load: () => import("./file/mod.ts"),
  },
  webhook: {
    options: webhookOptions,
    defaultFormat: "EventNotification",
    load: () => import("./webhook/mod.ts"),
  },
  kafka: {
    options: kafkaOptions,
    defaultFormat: "EventNotification",
    load: () => import("./kafka/mod.ts"),
  },
  mqtt: {
    options: mqttOptions,
    defaultFormat: "EventNotification",
    load: () => import("./mqtt/mod.ts"),
  },
  kusto: {
    options: kustoOptions,
    defaultFormat: "DataHistory",
    refuses: kustoRefuses,
    load: () => import("./kusto/mod.ts"),
  },
} as const satisfies Readonly<Record<string, SinkKind>>;

export type SinkKindName = keyof typeof sinkKinds;
