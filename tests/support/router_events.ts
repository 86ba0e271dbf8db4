import type { CloudEvent, RouterEvent } from "../../src/event/cloud_event.ts";

/** An event of a partition key, the `n`th in commit order, with whatever else a test cares for. */
export function routerEvent(
  key: string,
  n: number,
  { committedAt = 0, ...event }: Partial<CloudEvent> & { committedAt?: number } = {},
): RouterEvent {
  return {
    event: {
      id: `${key}-${n}`,
      type: "Konnektr.DigitalTwins.Twin.Update",
      source: "postgresql://localhost/twins/digitaltwins",
      subject: key,
      time: "2026-01-01T12:00:00.123456Z",
      datacontenttype: "application/json",
      partitionkey: key,
      sequence: n.toString(16).padStart(16, "0"),
      data: `{"n":${n}}`,
      ...event,
    },
    graph: "digitaltwins",
    format: "EventNotification",
    position: { commitLsn: BigInt(n), ordinal: 0 },
    committedAt,
  };
}
