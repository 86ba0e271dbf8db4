import type { CreateSink } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { FileOptions } from "./config.ts";

export const createSink: CreateSink<FileOptions> = () => {
  throw new SinkError("fatal", "Cannot make a file sink: not written yet");
};
