import type { TwinDatabase } from "./twin_database.ts";
import type { WebhookReceiver } from "./webhook_receiver.ts";

/** The configuration of a router that brings the events of a database to a receiver, by its only sink `Hook`. */
export function intoHook({ server }: TwinDatabase, { url }: WebhookReceiver) {
  return {
    source: { connectionString: server.connectionString },
    eventSinks: { webhook: [{ name: "Hook", url }] },
  };
}
