import type { Sql, TransactionSql } from "postgres";
import { agtype, type AgtypeMap } from "./agtype.ts";

/** A twin to be written. */
export interface NewTwin {
  readonly id: string;
  /** The DTMI of its model. */
  readonly model: string;
  readonly properties?: AgtypeMap;
}

/** Which relationship: its id is unique among those of its source. */
export interface RelationshipKey {
  readonly id: string;
  /** The relationship's name, which is its edge label. */
  readonly name: string;
  readonly source: string;
}

/** A relationship to be written. */
export interface NewRelationship extends RelationshipKey {
  readonly target: string;
  readonly properties?: AgtypeMap;
}

/**
 * Writes a graph's twins, relationships and models by SQL, row for row as AgeDigitalTwins' API has AGE write them: a
 * stub with the identity, then the values; `$etag` and `$metadata` with the time of each property. The labels
 * (`Twin`, `Model`, and one for each relationship's name) must be there. Each method is a transaction of its own, or
 * part of the one that the connection is; those that update or delete return how many rows that were.
 */
export class TwinGraph {
  readonly #sql: Sql | TransactionSql;
  readonly name: string;

  constructor(sql: Sql | TransactionSql, name = "digitaltwins") {
    this.#sql = sql;
    this.name = name;
  }

  /** Runs `work` on the graph within one transaction. */
  async transaction(work: (graph: TwinGraph) => Promise<void>): Promise<void> {
    const sql = this.#sql;
    if (!("begin" in sql)) return await work(this);
    await sql.begin((transaction) => work(new TwinGraph(transaction, this.name)));
  }

  /** A model by its DTDL; `bases` are the models that it extends, its nearest last. */
  async putModel(dtdl: AgtypeMap & { readonly "@id": string }, bases: readonly string[] = []): Promise<void> {
    await this.transaction(async (graph) => {
      const id = dtdl["@id"];
      await graph.#insert("Model", { id });
      const properties = {
        id,
        bases,
        model: dtdl,
        uploadTime: now(),
        displayName: dtdl["displayName"],
        description: dtdl["description"],
        decommissioned: false,
      };
      await graph.#sql`
        UPDATE ${graph.#table("Model")} SET properties = ${agtype(properties)} WHERE ${graph.#has("id", id)}`;
    });
  }

  async deleteModel(id: string): Promise<number> {
    const { count } = await this.#sql`DELETE FROM ${this.#table("Model")} WHERE ${this.#has("id", id)}`;
    return count;
  }

  async putTwin(twin: NewTwin): Promise<void> {
    const time = now();
    const times = Object.keys(twin.properties ?? {}).map((name) => [name, { lastUpdateTime: time }]);
    await this.transaction(async (graph) => {
      await graph.#insert("Twin", { $dtId: twin.id });
      const properties = {
        ...twin.properties,
        $dtId: twin.id,
        $etag: newEtag(),
        $metadata: { ...Object.fromEntries(times), $model: twin.model, $lastUpdateTime: time },
      };
      await graph.#sql`
        UPDATE ${graph.#table("Twin")} SET properties = ${agtype(properties)} WHERE ${
        graph.#has("$dtId", twin.id)
      }`;
    });
  }

  /** Sets properties of a twin, changed or not, and removes those that are `undefined`. */
  async updateTwin(id: string, properties: AgtypeMap): Promise<number> {
    const time = now();
    const names = Object.keys(properties);
    const written = names.filter((name) => properties[name] !== undefined);
    const times = Object.fromEntries(written.map((name) => [name, { lastUpdateTime: time }]));
    const values = agtype({ ...properties, $etag: newEtag() });
    const metadata = agtype({ ...times, $lastUpdateTime: time });
    const { count } = await this.#sql`
      UPDATE ${this.#table("Twin")}
      SET properties = (properties::jsonb - ${names}::text[]) || ${values}::text::jsonb || jsonb_build_object(
        '$metadata', (properties::jsonb -> '$metadata') - ${names}::text[] || ${metadata}::text::jsonb)
      WHERE ${this.#has("$dtId", id)}`;
    return count;
  }

  /** The twin must have no relationships. */
  async deleteTwin(id: string): Promise<number> {
    const { count } = await this.#sql`DELETE FROM ${this.#table("Twin")} WHERE ${this.#has("$dtId", id)}`;
    return count;
  }

  /** Both twins must be there. */
  async putRelationship(relationship: NewRelationship): Promise<void> {
    const { id, name, source, target } = relationship;
    await this.transaction(async (graph) => {
      const stub = agtype({ $relationshipId: id });
      const { count } = await graph.#sql`
        INSERT INTO ${graph.#table(name)} (start_id, end_id, properties)
        SELECT source.id, target.id, ${stub}
        FROM ${graph.#table("Twin")} source, ${graph.#table("Twin")} target
        WHERE source.properties::jsonb ->> '$dtId' = ${source} AND target.properties::jsonb ->> '$dtId' = ${target}`;
      if (count !== 1) {
        throw new Error(`Cannot relate ${source} to ${target}: there are ${count} such pairs of twins`);
      }
      const properties = {
        ...relationship.properties,
        $etag: newEtag(),
        $sourceId: source,
        $targetId: target,
        $relationshipId: id,
        $relationshipName: name,
      };
      await graph.#sql`
        UPDATE ${graph.#table(name)} SET properties = ${agtype(properties)}
        WHERE properties::jsonb = ${stub}::text::jsonb`;
    });
  }

  /** Sets properties of a relationship, and removes those that are `undefined`. */
  async updateRelationship(key: RelationshipKey, properties: AgtypeMap): Promise<number> {
    const values = agtype({ ...properties, $etag: newEtag() });
    const { count } = await this.#sql`
      UPDATE ${this.#table(key.name)}
      SET properties = (properties::jsonb - ${Object.keys(properties)}::text[]) || ${values}::text::jsonb
      WHERE ${this.#has("$relationshipId", key.id)} AND ${this.#has("$sourceId", key.source)}`;
    return count;
  }

  async deleteRelationship(key: RelationshipKey): Promise<number> {
    const { count } = await this.#sql`
      DELETE FROM ${this.#table(key.name)}
      WHERE ${this.#has("$relationshipId", key.id)} AND ${this.#has("$sourceId", key.source)}`;
    return count;
  }

  async #insert(label: string, properties: AgtypeMap): Promise<void> {
    await this.#sql`INSERT INTO ${this.#table(label)} (properties) VALUES (${agtype(properties)})`;
  }

  #table(label: string) {
    return this.#sql`${this.#sql(this.name)}.${this.#sql(label)}`;
  }

  #has(key: string, value: string) {
    return this.#sql`properties::jsonb ->> ${key} = ${value}`;
  }
}

/** As the API writes times: UTC with seven decimals. */
function now(): string {
  return new Date().toISOString().replace("Z", "0000Z");
}

function newEtag(): string {
  return `W/"${crypto.randomUUID()}"`;
}
