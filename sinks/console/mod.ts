import type { CreateSink } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { ConsoleOptions } from "./config.ts";

export const createSink: CreateSink<ConsoleOptions> = () => {
  throw new SinkError("fatal", "Cannot make a console sink: not written yet");
};
