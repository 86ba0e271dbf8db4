import type { Sql } from "postgres";
import type { Connection } from "./connection.ts";

const PATIENCE = 1_000;

/** A server's process that serves a session; later its id may be another's. */
export interface Backend {
  readonly pid: string;
  /** When it began, in seconds since 1970, to the microsecond. */
  readonly start: string;
}

/**
 * Sessions that a client has lost or given up. The server may go on with their last statements and commit them: who waits
 * for a lock or for a standby does not notice that nobody waits for it, and what is on its way comes yet. So whoever says
 * something again, or takes it back, has to know that they are over.
 */
export class LostSessions {
  readonly #backends = new Set<Backend>();

  static async identify(connection: Connection, signal: AbortSignal): Promise<Backend> {
    const [row] = await connection.query(
      "SELECT pid, extract(epoch FROM backend_start) AS start FROM pg_stat_activity WHERE pid = pg_backend_pid()",
      signal,
    );
    return { pid: row?.["pid"] ?? "0", start: row?.["start"] ?? "0" };
  }

  add(backend: Backend): void {
    this.#backends.add(backend);
  }

  /**
   * Resolves once none of those that were lost until now is at work any more: the server is made to end them, and what each
   * has done is seen or never will be. On another server than theirs there are none.
   */
  async end(sql: Sql): Promise<void> {
    if (this.#backends.size === 0) return;
    const lost = [...this.#backends];
    const alive = await findAlive(sql, lost);
    this.#forget(lost, alive);
    if (alive.length === 0) return;
    const pids = JSON.stringify(alive.map(({ pid }) => pid));
    await sql`
      SELECT pg_terminate_backend(pid::int, ${PATIENCE}) FROM json_array_elements_text(${pids}::text::json) AS pid`;
    const left = await findAlive(sql, alive);
    this.#forget(alive, left);
    if (left[0]) {
      throw new Error(`Cannot run SQL: the server's process ${left[0].pid} is still at what was given up`);
    }
  }

  #forget(backends: readonly Backend[], except: readonly Backend[]): void {
    for (const backend of backends) if (!except.includes(backend)) this.#backends.delete(backend);
  }
}

async function findAlive(sql: Sql, backends: readonly Backend[]): Promise<Backend[]> {
  const rows = await sql<{ place: number }[]>`
    SELECT place FROM pg_stat_activity
    JOIN json_to_recordset(${
    JSON.stringify(backends.map((backend, place) => ({ ...backend, place })))
  }::text::json) AS lost (place int, pid int, start numeric) USING (pid)
    WHERE extract(epoch FROM backend_start) = start`;
  return rows.flatMap(({ place }) => backends[place] ?? []);
}
