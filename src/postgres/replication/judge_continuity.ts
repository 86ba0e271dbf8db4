import { formatAddress, type HostAddress } from "../connection/connection_options.ts";
import type { Finding } from "./finding.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import type { ServerFacts } from "./server_facts.ts";
import type { SlotLoss } from "./slot_loss.ts";

/**
 * What has changed since the last connection and must not have.
 *
 * @param earlier the system identifier of the database cluster then; undefined if there was no connection before
 * @param loss what the slot has lost, where that is dealt with
 */
export function* judgeContinuity(
  facts: ServerFacts,
  earlier: string | undefined,
  loss: SlotLoss | undefined,
  settings: ReplicationSettings,
  address: HostAddress,
): Iterable<Finding> {
  if (earlier === undefined) return;
  if (facts.server.systemIdentifier !== earlier) {
    yield {
      severity: "fatal",
      about: "history",
      problem:
        `Cannot go on at ${formatAddress(address)}: it is another database cluster (system identifier ` +
        `${facts.server.systemIdentifier} instead of ${earlier})`,
      remedy:
        "If that is meant, start again: the changes of this one are followed from its slot on, or where it has " +
        "none from a new one, as onSlotLost says.",
    };
  } else if (facts.slot === undefined && !loss) {
    yield {
      severity: facts.server.isStandby ? "transient" : "fatal",
      about: "history",
      problem:
        `Cannot go on: slot ${settings.slot} is gone from ${
          formatAddress(address)
        }, and with it the changes ` +
        "since it was last confirmed",
      remedy: "Start again to begin anew with a new slot; what changed in between gives no events.",
    };
  }
}
