import type { Sink } from "../../src/sink/sink.ts";
import { options } from "../../sinks/kafka/config.ts";
import { createSink } from "../../sinks/kafka/mod.ts";
import { ROOT } from "./repository.ts";

const CONTEXT = { name: "Kafka", baseDirectory: ROOT, log: { info() {}, warn() {} } };

/** A sink of a configuration as it is written; relative paths are the repository's. */
export function kafkaSink(written: Readonly<Record<string, unknown>>): Sink {
  return createSink(options.parse(written), CONTEXT);
}
