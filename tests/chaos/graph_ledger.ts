import type { Sql } from "postgres";
import type { Connection } from "../../src/postgres/connection/connection.ts";
import { resolveConnectionOptions } from "../../src/postgres/connection/connection_string.ts";
import { openConnection } from "../../src/postgres/connection/open_connection.ts";
import { quoteString } from "../../src/postgres/connection/quote.ts";
import { ServerError } from "../../src/postgres/connection/server_error.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { Draft, type Entity, type Entry, keyOf } from "./draft.ts";

const TWINS = 12;
const RELATIONSHIPS = 3;
const MODELS = ["dtmi:example:Counter;1", "dtmi:example:Counter;2"];
/** Milliseconds between two transactions, at most. */
const LONGEST_PAUSE = 150;

/**
 * Writes random changes and telemetry of twins and relationships of its own, whatever becomes of the server meanwhile,
 * and knows what was committed. Transactions have one to many changes; some are rolled back, some have savepoints that
 * are, and now and then one changes hundreds of twins.
 */
export class GraphLedger {
  /** By partition key: the committed changes in order. */
  readonly entries = new Map<string, Entry[]>();
  readonly counts = { committed: 0, rolledBack: 0, savepoints: 0, large: 0, inDoubt: 0, changes: 0 };
  readonly #connectionString: string;
  readonly #random: SeededRandom;
  readonly #name: string;
  #connection: Connection | undefined;
  #entities = new Map<string, Entity>();
  #crowd: string[] = [];
  #number = 0;
  #transactions = 0;

  /** @param name begins the ids of its twins */
  constructor(connectionString: string, seed: number, name: string) {
    this.#connectionString = connectionString;
    this.#random = new SeededRandom(seed);
    this.#name = name;
  }

  /** Makes what ledgers need beside the graph. */
  static async prepare(sql: Sql): Promise<void> {
    await sql`
      CREATE TABLE public.ledger_transactions (ledger text, number int, is_void boolean, PRIMARY KEY (ledger, number))`;
  }

  /** Writes until `signal` aborts. */
  async write(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#transaction();
        await pause(this.#random.below(LONGEST_PAUSE));
      }
    } finally {
      await this.#connection?.[Symbol.asyncDispose]();
    }
  }

  /** Runs a statement; when the server is gone it is connected anew the next time. */
  async #run(sql: string): ReturnType<Connection["query"]> {
    try {
      this.#connection ??= await openConnection(
        resolveConnectionOptions({ connectionString: this.#connectionString }, {}),
        {},
        AbortSignal.timeout(60_000),
      );
      return await this.#connection.query(sql);
    } catch (error) {
      if (error instanceof ServerError && error.severity === "ERROR") throw error;
      const lost = this.#connection;
      this.#connection = undefined;
      await lost?.[Symbol.asyncDispose]();
      throw new LossError("The server is gone", { cause: error });
    }
  }

  async #transaction(): Promise<void> {
    const number = ++this.#transactions;
    const draft = new Draft(this.#entities);
    const outcome = this.#random.below(10);
    const isLarge = this.#random.below(60) === 0;
    let isCommitted = outcome > 1;
    try {
      await this.#run(`BEGIN; INSERT INTO public.ledger_transactions VALUES (${this.#key(number)}, false)`);
      if (isLarge) await this.#changeCrowd(draft);
      for (let left = 1 + this.#random.below(5); left > 0; left--) await this.#change(draft);
      if (outcome > 7) {
        await this.#run("SAVEPOINT doomed");
        await this.#change(new Draft(draft.entities, draft.changed));
        await this.#run("ROLLBACK TO SAVEPOINT doomed");
        await this.#change(draft);
        this.counts.savepoints++;
      }
      await this.#run(isCommitted ? "COMMIT" : "ROLLBACK");
    } catch (error) {
      if (!(error instanceof LossError)) throw error;
      isCommitted = await this.#wasCommitted(number);
    }
    if (!isCommitted) {
      this.counts.rolledBack++;
      return;
    }
    this.counts.committed++;
    if (isLarge) this.counts.large++;
    this.counts.changes += draft.entries.length;
    this.#entities = draft.entities;
    if (isLarge) this.#crowd = [...draft.entities.keys()].filter((subject) => subject.includes("-crowd-"));
    for (const entry of draft.entries) {
      const key = keyOf(entry.subject);
      const known = this.entries.get(key);
      if (known) known.push(entry);
      else this.entries.set(key, [entry]);
    }
  }

  /** What became of a COMMIT whose answer was lost; if nothing, nothing will. */
  async #wasCommitted(number: number): Promise<boolean> {
    this.counts.inDoubt++;
    for (;;) {
      try {
        await this.#run(
          `INSERT INTO public.ledger_transactions VALUES (${this.#key(number)}, true) ON CONFLICT DO NOTHING`,
        );
        const [row] = await this.#run(
          `SELECT is_void FROM public.ledger_transactions WHERE (ledger, number) = (${this.#key(number)})`,
        );
        return row?.["is_void"] === "f";
      } catch (error) {
        if (!(error instanceof LossError)) throw error;
        await pause(100);
      }
    }
  }

  #key(number: number): string {
    return `${quoteString(this.#name)}, ${number}`;
  }

  /** Something happens to one twin or relationship that has not changed yet. */
  async #change(draft: Draft): Promise<void> {
    const twin = `${this.#name}-${this.#random.below(TWINS)}`;
    if (this.#random.below(6) === 0) return await this.#measure(draft, twin);
    const relationship = `${twin}/relationships/r-${this.#random.below(RELATIONSHIPS)}`;
    const isTwin = this.#random.below(3) > 0 || !draft.entities.has(twin);
    const isDelete = this.#random.below(5) === 0;
    const subject = isTwin ? twin : relationship;
    if (draft.changed.has(subject)) return;
    const entity = draft.entities.get(subject);
    if (entity && isDelete) {
      if (isTwin) {
        for (const [other, { body }] of [...draft.entities]) {
          const isIts = body["$sourceId"] === twin || body["$targetId"] === twin;
          if (isIts && draft.changed.has(other)) return; // later perhaps
          if (isIts) await this.#delete(draft, other);
        }
      }
      return await this.#delete(draft, subject);
    }
    const body = isTwin ? this.#twinBody(twin, entity) : this.#relationshipBody(subject, draft, entity);
    await this.#put(draft, subject, body, entity);
  }

  /** Telemetry, by a logical message of the transaction. */
  async #measure(draft: Draft, twin: string): Promise<void> {
    const n = ++this.#number;
    const telemetry = {
      digitalTwinId: twin,
      messageId: `${twin}-${n}`,
      graphName: "digitaltwins",
      telemetry: { twin, n },
    };
    const text = quoteString(JSON.stringify(telemetry));
    await this.#run(`SELECT pg_logical_emit_message(true, 'digitaltwins_telemetry', ${text})`);
    draft.measure(twin, n);
  }

  async #delete(draft: Draft, subject: string): Promise<void> {
    const row = draft.entities.get(subject)?.row ?? "";
    await this.#run(`DELETE FROM ${tableOf(subject)} WHERE id::bigint = ${row}`);
    draft.delete(subject);
  }

  async #put(draft: Draft, subject: string, body: Entity["body"], before: Entity | undefined): Promise<void> {
    const text = quoteString(JSON.stringify(body));
    const table = tableOf(subject);
    if (before) {
      const { row } = before;
      await this.#run(`UPDATE ${table} SET properties = ${text} WHERE id::bigint = ${row}`);
      return draft.put(subject, { row, body }, "Update");
    }
    const rowOf = (twin: unknown) => draft.entities.get(String(twin))?.row;
    const [made] = await this.#run(
      subject.includes("/")
        ? `INSERT INTO ${table} (start_id, end_id, properties)
            VALUES ('${rowOf(body["$sourceId"])}', '${rowOf(body["$targetId"])}', ${text}) RETURNING id`
        : `INSERT INTO ${table} (properties) VALUES (${text}) RETURNING id`,
    );
    draft.put(subject, { row: made?.["id"] ?? "", body }, "Create");
  }

  /** Hundreds of twins come, change or go at once. */
  async #changeCrowd(draft: Draft): Promise<void> {
    if (this.#crowd.length === 0) {
      const subjects = Array.from(
        { length: 100 + this.#random.below(400) },
        (_, index) => `${this.#name}-crowd-${index}`,
      );
      const bodies = subjects.map((subject) => this.#twinBody(subject, undefined));
      const rows = await this.#run(`
        INSERT INTO digitaltwins."Twin" (properties)
        SELECT value::text::ag_catalog.agtype FROM json_array_elements(${quoteString(JSON.stringify(bodies))})
        RETURNING id, properties`);
      for (const { id, properties } of rows) {
        const body = JSON.parse(properties ?? "");
        draft.put(body.$dtId, { row: id ?? "", body }, "Create");
      }
      return;
    }
    const known = this.#crowd.map((subject) => ({ subject, entity: draft.entities.get(subject) }));
    if (this.#random.below(2) === 0) {
      const ids = known.map(({ entity }) => entity?.row ?? "");
      await this.#run(`DELETE FROM digitaltwins."Twin" WHERE id::bigint IN (${ids.join(", ")})`);
      for (const { subject } of known) draft.delete(subject);
      return;
    }
    const changes = known.map(({ subject, entity }) => ({
      subject,
      row: entity?.row ?? "",
      body: this.#twinBody(subject, entity),
    }));
    await this.#run(`
      UPDATE digitaltwins."Twin" SET properties = (value ->> 'body')::ag_catalog.agtype
      FROM json_array_elements(${quoteString(JSON.stringify(changes))})
      WHERE id::bigint = (value ->> 'row')::bigint`);
    for (const { subject, row, body } of changes) draft.put(subject, { row, body }, "Update");
  }

  #twinBody(twin: string, before: Entity | undefined): Entity["body"] {
    const model = before && this.#random.below(10) > 0 ? modelOf(before) : this.#random.pick(MODELS);
    return { $dtId: twin, ...this.#properties(before), $metadata: { $model: model } };
  }

  #relationshipBody(subject: string, draft: Draft, before: Entity | undefined): Entity["body"] {
    const [source = "", , id] = subject.split("/");
    const twins = [...draft.entities.keys()].filter((other) => !other.includes("/"));
    const target = before?.body["$targetId"] ?? this.#random.pick(twins);
    return {
      $relationshipId: id,
      $sourceId: source,
      $targetId: target,
      $relationshipName: "contains",
      ...this.#properties(before),
    };
  }

  /** Those that were there, with the next number, some set and some gone. */
  #properties(before: Entity | undefined): Record<string, unknown> {
    const properties = Object.fromEntries(
      Object.entries(before?.body ?? {}).filter(([name]) => !name.startsWith("$")),
    );
    properties["n"] = ++this.#number;
    const name = this.#random.pick(["temperature", "name", "shape", "thermostat"]);
    if (this.#random.below(3) === 0) delete properties[name];
    else {
      const n = this.#random.below(1_000);
      properties[name] = {
        temperature: n / 10,
        name: `Größe "${n}"`,
        shape: { list: [n, null], deep: { yes: n % 2 === 0 } },
        thermostat: { $metadata: {}, setpoint: n, mode: this.#random.pick(["a", "b"]) },
      }[name];
    }
    return properties;
  }
}

/** The server went away, and with it the answer. */
class LossError extends Error {
  override readonly name = "LossError";
}

function tableOf(subject: string): string {
  return subject.includes("/") ? "digitaltwins.contains" : 'digitaltwins."Twin"';
}

function modelOf({ body }: Entity): unknown {
  return (body["$metadata"] as { $model: unknown }).$model;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
