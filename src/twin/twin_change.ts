import type { Lsn } from "../postgres/lsn.ts";
import type { Position, Transaction } from "../postgres/row_change.ts";
import type { SnapshotMessage } from "../postgres/snapshot/snapshot_message.ts";
import type { JsonText } from "./json_text.ts";
import type { TelemetryPayload } from "./telemetry_payload.ts";

/**
 * What happened to one twin, relationship or model in one committed transaction: a run of adjacent changes of one
 * row, merged. Bodies are JSON objects whose numbers keep their digits.
 */
export type TwinChange = Entity & BodyChange & {
  readonly kind: "change";
  readonly transaction: Transaction;
  /** Of the run's last row message. */
  readonly position: Position;
  /** 0, or 1 for the create that follows the delete of a changed identity. */
  readonly part: 0 | 1;
  /** The graph's name, which is the schema's. */
  readonly graph: string;
  readonly label: string;
  /** The row's graphid; undefined where it was not sent. */
  readonly rowId?: string | undefined;
  /** Set if nothing changed: the snapshot tells, by a create, of what was there already. */
  readonly snapshot?: SnapshotOrigin;
  /** Of the W3C trace that wrote it, from a logical message in the transaction. */
  readonly traceparent?: string;
};

/** A snapshot, as what it tells knows it. */
export interface SnapshotOrigin {
  readonly id: string;
  /** The only sink that gets it; absent for all. */
  readonly sink?: string;
  /** Of its events, which ones; absent for all. */
  readonly filter?: string;
}

/** Who something is. */
export type Entity =
  /** `id` is `$dtId`. */
  | { readonly entity: "twin"; readonly id: string }
  /** `id` is `$relationshipId`, unique for its source twin only. */
  | { readonly entity: "relationship"; readonly id: string; readonly sourceId: string }
  /** `id` is the model's DTMI. */
  | { readonly entity: "model"; readonly id: string };

/** What it was and became. */
export type BodyChange =
  | { readonly action: "create"; readonly after: JsonText }
  /** `before` is absent where the label has no REPLICA IDENTITY FULL. */
  | { readonly action: "update"; readonly before?: JsonText; readonly after: JsonText }
  | { readonly action: "delete"; readonly before: JsonText };

/** Changes that could not be seen, to be told instead of passed over. */
export interface Gap {
  readonly kind: "gap";
  readonly reason: "truncate" | "too_large" | "slot_lost" | "publication_lost";
  readonly transaction: Transaction;
  readonly position: Position;
  readonly part: number;
  readonly graph: string;
  /** Absent where it is all labels of the graph. */
  readonly label?: string;
  /** Where it begins and ends, as PostgreSQL writes positions; absent for what happened where it stands. */
  readonly span?: { readonly from: string; readonly to: string };
}

/** What somebody measured and says of a twin. It changes nothing in the graph, and the twin may not even be there. */
export type Telemetry = TelemetryPayload & {
  readonly kind: "telemetry";
  /** That it was sent in; of telemetry outside of any transaction one of its own, which commits when it arrives. */
  readonly transaction: Transaction;
  /** Undefined for what did not come in the stream. */
  readonly position: Position | undefined;
  readonly part: 0;
  /** As a `TwinChange`'s. */
  readonly traceparent?: string;
};

/** What a snapshot, this router's or another's, has written into the WAL. */
export interface SnapshotMark {
  readonly kind: "snapshot";
  readonly message: SnapshotMessage;
  readonly transaction: Transaction;
  readonly position: Position;
}

/** What the twin stage gives, in commit order. */
export type TwinItem =
  | TwinChange
  | Gap
  | Telemetry
  | SnapshotMark
  /** All before it may be confirmed as `lsn`. */
  | { readonly kind: "settle"; readonly lsn: Lsn };
