import type { Sink } from "../../src/sink/sink.ts";
import { options } from "../../sinks/mqtt/config.ts";
import { createSink } from "../../sinks/mqtt/mod.ts";

const CONTEXT = { name: "Broker", baseDirectory: ".", log: { info() {}, warn() {} } };

/** A sink of a configuration as it is written. */
export function mqttSink(written: Readonly<Record<string, unknown>>): Sink {
  return createSink(options.parse(written), CONTEXT);
}
