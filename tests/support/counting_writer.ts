import assert from "node:assert/strict";
import type { Sql } from "postgres";
import type { DeliveredEvent } from "./ledger.ts";

/** Makes twin after twin, and counts them in another one, until the server is gone or somebody stops it. */
export class CountingWriter {
  /** Twins whose commit was acknowledged. */
  readonly acknowledged: string[] = [];
  #next = 1;

  /** To be called once, before the router starts. */
  async begin(sql: Sql): Promise<void> {
    await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${bodyOf("counter", 0)})`;
  }

  async write(sql: Sql, stop: () => boolean): Promise<void> {
    while (!stop()) {
      const n = this.#next++;
      const id = `twin-${n}`;
      try {
        await sql.begin(async (sql) => {
          await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${bodyOf(id, n)})`;
          await sql`UPDATE digitaltwins."Twin" SET properties = ${bodyOf("counter", n)}
            WHERE properties::text LIKE '%"$dtId": "counter"%'`;
        });
      } catch {
        return; // and whether it was committed, nobody has said
      }
      this.acknowledged.push(id);
    }
  }

  /** The twins that there are, in the order of their commits; throws if one is missing that was acknowledged. */
  async present(sql: Sql): Promise<readonly string[]> {
    const rows = await sql<{ id: string }[]>`
      SELECT properties::text::jsonb ->> '$dtId' AS id FROM digitaltwins."Twin"`;
    const present = new Set(rows.map(({ id }) => id));
    for (const id of this.acknowledged) assert(present.has(id), `${id} was acknowledged, and is there`);
    present.delete("counter");
    return [...present].sort((a, b) => numberOf(a) - numberOf(b));
  }
}

/** Throws unless the events are of these twins, each once, and of all counts in order; repeats have to be equal. */
export function verifyCount(events: readonly DeliveredEvent[], present: readonly string[]): void {
  const firsts = new Map<string, DeliveredEvent>();
  for (const event of events) {
    assert.deepEqual(firsts.get(event.id) ?? event, event, "what comes again is what came first");
    firsts.set(event.id, event);
  }
  const all = [...firsts.values()];
  const creates = createdBy(all);
  assert.deepEqual(creates.toSorted(), [...present].sort(), "every twin once, and no other");
  const counts = all.filter(({ type }) => type.endsWith("Twin.Update"))
    .map(({ data }) => `twin-${data.patch?.find(({ path }) => path === "/n")?.value}`);
  assert.deepEqual(counts, present, "and the counter tells of each, in order");
}

/** The twins that events say are new. */
export function createdBy(events: readonly DeliveredEvent[]): string[] {
  return events.filter(({ type }) => type.endsWith("Twin.Create")).map(({ subject }) => subject);
}

function numberOf(id: string): number {
  return Number(id.slice("twin-".length));
}

function bodyOf(id: string, n: number): string {
  return `{"n": ${n}, "$dtId": "${id}", "$metadata": {"$model": "dtmi:example:Counter;1"}}`;
}
