import { ProtocolError } from "../protocol_error.ts";
import type { Relation, Replicated } from "../row_change.ts";
import type {
  Delete,
  Insert,
  LogicalMessage,
  RelationMessage,
  Truncate,
  Tuple,
  TypeMessage,
  Update,
} from "../wal_message.ts";

/** A message that takes an ordinal in its transaction. */
export type CountedMessage = Insert | Update | Delete | Truncate | LogicalMessage;

/** What a `CountedMessage` becomes. */
export type Change = Exclude<Replicated, { readonly kind: "begin" | "settle" }>;

interface KnownRelation {
  readonly relation: Relation;
  readonly interesting: boolean;
}

/**
 * The tables that pgoutput has described, by OID. It describes one, after those of its types that are not built in,
 * before the first change that refers to it and again whenever it may have changed.
 */
export class RelationCache {
  readonly #interesting: (relation: Relation) => boolean;
  readonly #relations = new Map<number, KnownRelation>();
  readonly #typeNames = new Map<number, string>();

  /** `interesting` is asked once for each description of a table. */
  constructor(interesting: (relation: Relation) => boolean) {
    this.#interesting = interesting;
  }

  learn(message: RelationMessage | TypeMessage): void {
    if (message.kind === "type") {
      this.#typeNames.set(message.oid, `${message.namespace}.${message.name}`);
      return;
    }
    const { oid, namespace, name, replicaIdentity, columns } = message;
    const typeNames = columns.map((column) => this.#typeNames.get(column.typeOid));
    const relation: Relation = { oid, namespace, name, replicaIdentity, columns, typeNames };
    this.#relations.set(oid, { relation, interesting: this.#interesting(relation) });
  }

  /** Takes over the tables that another cache knows; types are described again with each table that has them. */
  adopt(other: RelationCache): void {
    for (const [oid, known] of other.#relations) this.#relations.set(oid, known);
  }

  /** False for a table that is known and not interesting. */
  wants(relationOid: number): boolean {
    return this.#relations.get(relationOid)?.interesting ?? true;
  }

  /** Puts tables in the place of their OIDs; `undefined` when no interesting table is left. */
  join(message: CountedMessage, ordinal: number): Change | undefined {
    switch (message.kind) {
      case "insert": {
        const relation = this.#relationOf(message);
        return relation && { kind: "insert", relation, ordinal, new: message.new };
      }
      case "update": {
        const relation = this.#relationOf(message);
        if (!relation) return undefined;
        const { old, key, new: row } = message;
        if (old) return { kind: "update", relation, ordinal, old, new: row };
        if (key) return { kind: "update", relation, ordinal, key, new: row };
        return { kind: "update", relation, ordinal, new: row };
      }
      case "delete": {
        const relation = this.#relationOf(message);
        if (!relation) return undefined;
        const { old, key } = message;
        if (old) return { kind: "delete", relation, ordinal, old };
        if (key) return { kind: "delete", relation, ordinal, key };
        return { kind: "delete", relation, ordinal };
      }
      case "truncate": {
        const known = message.relationOids.map((oid) => this.#known(oid, message));
        const relations = known.filter(({ interesting }) => interesting).map(({ relation }) => relation);
        return relations.length > 0 ? { kind: "truncate", relations, ordinal } : undefined;
      }
      case "message":
        return { kind: "message", message, ordinal };
      default:
        return message satisfies never;
    }
  }

  #relationOf(message: Insert | Update | Delete): Relation | undefined {
    const { relation, interesting } = this.#known(message.relationOid, message);
    if (message.kind !== "delete") checkColumnCount(message.new, relation, message);
    if (message.kind !== "insert") {
      if (message.old) checkColumnCount(message.old, relation, message);
      if (message.key) checkColumnCount(message.key, relation, message);
    }
    return interesting ? relation : undefined;
  }

  #known(oid: number, message: CountedMessage): KnownRelation {
    const known = this.#relations.get(oid);
    if (known) return known;
    throw new ProtocolError(
      `Cannot join ${message.kind}: the relation ${oid} was never described`,
      offsetAfter(message),
    );
  }
}

function checkColumnCount(tuple: Tuple, relation: Relation, message: CountedMessage): void {
  if (tuple.columnCount === relation.columns.length) return;
  const name = `${relation.namespace}.${relation.name}`;
  throw new ProtocolError(
    `Cannot join ${message.kind}: its row has ${tuple.columnCount} columns, ${name} ${relation.columns.length}`,
    offsetAfter(message),
  );
}

/** Where the message continues after its kind and, inside of a stream block, its xid. */
function offsetAfter(message: CountedMessage): number {
  return message.xid === undefined ? 1 : 5;
}
