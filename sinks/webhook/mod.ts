import type { CreateSink } from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import type { WebhookOptions } from "./config.ts";

export const createSink: CreateSink<WebhookOptions> = () => {
  throw new SinkError("fatal", "Cannot make a webhook sink: not written yet");
};
