import type { CreateSink } from "../../src/sink/sink.ts";
import type { WebhookOptions } from "./config.ts";
import { WebhookSink } from "./webhook_sink.ts";

export const createSink: CreateSink<WebhookOptions> = (options, context) => new WebhookSink(options, context);
