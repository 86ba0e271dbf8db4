import type { Telemetry } from "../twin/twin_change.ts";
import type { EventBody, EventFacts } from "./event_factory.ts";

/**
 * One event, with what was measured as it was written. A `messageId` is unique for its twin only, so the source names
 * the twin. In Azure Digital Twins the subject therefore is the component alone.
 */
export function telemetryOf(item: Telemetry, { source, time, shape }: EventFacts): readonly EventBody[] {
  const { twinId, messageId, component, modelId, timestamp, body } = item;
  return [{
    type: "Telemetry",
    data: body.toString(),
    attributes: {
      id: messageId,
      source: `${source.replace(/\/$/, "")}/digitaltwins/${encodeURIComponent(twinId)}`,
      time: (timestamp !== undefined && utcTime(timestamp, shape === "adt" ? 7 : 6)) || time,
      ...(shape === "adt" && { subject: component ?? "" }),
      ...(modelId !== undefined && { dataschema: modelId }),
    },
  }];
}

/**
 * What RFC 3339 writes, in UTC and with as many digits as all events' times: the rest of a finer time is cut off.
 * `undefined` for anything else, a time that does not say its offset among it.
 */
function utcTime(text: string, digits: 6 | 7): string | undefined {
  const [, seconds, fraction = "", offset] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/i.exec(text) ?? [];
  if (seconds === undefined || offset === undefined) return undefined;
  const milliseconds = Date.parse(`${seconds}${offset}`.toUpperCase());
  if (Number.isNaN(milliseconds)) return undefined;
  const utc = new Date(milliseconds).toISOString();
  // A year that an offset moves out of four digits.
  if (utc.length !== "2026-01-01T12:00:00.000Z".length) return undefined;
  return `${utc.slice(0, 19)}.${fraction.slice(0, digits).padEnd(digits, "0")}Z`;
}
