import { JsonText, LARGEST_BODY, TooManyValuesError } from "./json_text.ts";

/** The prefix of logical messages that are telemetry, and the channel on which it is notified. */
export const TELEMETRY = "digitaltwins_telemetry";

/** What somebody measured and says of a twin, as AgeDigitalTwins writes it down. */
export interface TelemetryPayload {
  readonly graph: string;
  readonly twinId: string;
  /** Unique for its twin. */
  readonly messageId: string;
  readonly component?: string;
  readonly modelId?: string;
  /** As it is written, which may be no time at all. */
  readonly timestamp?: string;
  /** The member `telemetry`; without it, the whole payload. */
  readonly body: JsonText;
}

/** Why a payload is none. */
export type TelemetryFault =
  | { readonly fault: "too_large" | "not_utf8" | "no_json" | "no_object" }
  | { readonly fault: "missing_member" | "wrong_member"; readonly member: string };

// `ignoreBOM`: JSON begins with no byte order mark, and the decoder is not to hide one.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 *     {digitalTwinId, messageId, graphName, telemetry?, componentName?, modelId?, timestamp?, eventType?}
 *
 * The first three are strings that are not empty, the rest but `telemetry` are strings; what is `null`, or optional and
 * empty, counts as left out. `eventType` says what `componentName` does already, and members of other names are
 * nobody's. Never throws.
 * @see https://github.com/konnektr-io/pg-age-digitaltwins/blob/main/src/AgeDigitalTwins/AgeDigitalTwinsClient.Telemetry.cs
 */
export function readTelemetry(payload: Uint8Array | string): TelemetryPayload | TelemetryFault {
  if (payload.length > LARGEST_BODY) return { fault: "too_large" };
  const text = typeof payload === "string" ? payload : decoded(payload);
  if (text === undefined) return { fault: "not_utf8" };
  const json = parsed(text);
  if (typeof json === "string") return { fault: json };
  if (json.kind !== "object") return { fault: "no_object" };

  const members = json.members();
  for (const member of STRINGS) {
    const kind = members.get(member)?.kind ?? "null";
    if (kind !== "null" && kind !== "string") return { fault: "wrong_member", member };
  }
  // Half of a surrogate pair, which only an escape can write, has no UTF-8 and is no part of a URI: it becomes U+FFFD.
  const said = (member: (typeof STRINGS)[number]) => members.get(member)?.string?.toWellFormed() || undefined;
  const twinId = said("digitalTwinId");
  if (twinId === undefined) return { fault: "missing_member", member: "digitalTwinId" };
  const messageId = said("messageId");
  if (messageId === undefined) return { fault: "missing_member", member: "messageId" };
  const graph = said("graphName");
  if (graph === undefined) return { fault: "missing_member", member: "graphName" };
  const component = said("componentName");
  const modelId = said("modelId");
  const timestamp = said("timestamp");
  const telemetry = members.get("telemetry");
  return {
    graph,
    twinId,
    messageId,
    ...(component !== undefined && { component }),
    ...(modelId !== undefined && { modelId }),
    ...(timestamp !== undefined && { timestamp }),
    body: telemetry && telemetry.kind !== "null" ? telemetry : json,
  };
}

const STRINGS = [
  "digitalTwinId",
  "messageId",
  "graphName",
  "componentName",
  "modelId",
  "timestamp",
] as const;

function parsed(text: string): JsonText | "too_large" | "no_json" {
  try {
    return JsonText.parse(text);
  } catch (error) {
    return error instanceof TooManyValuesError ? "too_large" : "no_json";
  }
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
