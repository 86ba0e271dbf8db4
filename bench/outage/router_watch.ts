import type { RouterProcess } from "../../tests/support/router_process.ts";
import type { TwinDatabase } from "../../tests/support/twin_database.ts";

/** The kernel's clock ticks in a second (`getconf CLK_TCK`): 100 on every Linux. */
const TICKS = 100;

/** What a phase has cost. */
export interface Costs {
  readonly seconds: number;
  /** WAL behind the slot's confirmed position, in bytes; the most of all seconds. */
  readonly maxLag: number;
  /** WAL that PostgreSQL kept for the slot: it goes back to what was running at some moment before. */
  readonly maxRetained: number;
  readonly maxParkedEvents: number;
  readonly maxParkedBytes: number;
  readonly maxResident: number;
  /** The router's resident bytes, the most of one part of the phase after the other. */
  readonly resident: readonly number[];
  /** Processors that the router kept busy. */
  readonly processors: number;
  /** WAL written, in bytes. */
  readonly wal: number;
}

interface Sample {
  readonly at: number;
  readonly lag: number;
  readonly retained: number;
  readonly lsn: number;
  readonly parkedEvents: number;
  readonly parkedBytes: number;
  readonly resident: number;
  readonly cpuSeconds: number;
}

/** Looks at the slot and the router once a second. */
export class RouterWatch implements AsyncDisposable {
  readonly #database: TwinDatabase;
  readonly #router: RouterProcess;
  readonly #sink: string;
  #samples: Sample[] = [];
  #isStopped = false;
  readonly #watching: Promise<void>;

  /** @param sink whose parked events are told */
  constructor(database: TwinDatabase, router: RouterProcess, sink: string) {
    this.#database = database;
    this.#router = router;
    this.#sink = sink;
    this.#watching = this.#watch();
    this.#watching.catch(() => {}); // `endPhase` fails as well
  }

  /** Of all seconds since the phase before. */
  async endPhase(partMs: number): Promise<Costs> {
    this.#samples.push(await this.#look());
    const samples = this.#samples;
    const [first] = samples;
    const last = samples.at(-1);
    if (!first || !last) throw new Error("Cannot sum up: nothing was seen");
    this.#samples = [last];
    const most = (of: (sample: Sample) => number) => Math.max(...samples.map(of));
    const seconds = (last.at - first.at) / 1000;
    const parts = Map.groupBy(samples.slice(1), ({ at }) => Math.floor((at - first.at) / partMs));
    return {
      seconds,
      maxLag: most(({ lag }) => lag),
      maxRetained: most(({ retained }) => retained),
      maxParkedEvents: most(({ parkedEvents }) => parkedEvents),
      maxParkedBytes: most(({ parkedBytes }) => parkedBytes),
      maxResident: most(({ resident }) => resident),
      resident: [...parts.values()].map((part) => Math.max(...part.map(({ resident }) => resident))),
      processors: (last.cpuSeconds - first.cpuSeconds) / seconds,
      wal: last.lsn - first.lsn,
    };
  }

  async #watch(): Promise<void> {
    for (let due = performance.now(); !this.#isStopped; due += 1000) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      const sample = await this.#look();
      this.#samples.push(sample); // a phase may have begun meanwhile
    }
  }

  async #look(): Promise<Sample> {
    const [[slot], process, metrics] = await Promise.all([
      this.#database.sql<{ lag: number; retained: number; lsn: number }[]>`
        SELECT (pg_current_wal_lsn() - confirmed_flush_lsn)::float8 AS lag,
          (pg_current_wal_lsn() - restart_lsn)::float8 AS retained,
          (pg_current_wal_lsn() - '0/0')::float8 AS lsn
        FROM pg_replication_slots`,
      this.#process(),
      fetch(`${this.#router.url}/metrics`, { signal: AbortSignal.timeout(30_000) })
        .then((response) => response.text()),
    ]);
    if (!slot) throw new Error("Cannot look at the slot: it is gone");
    const metric = (name: string) =>
      Number(new RegExp(`^${name}\\{sink="${this.#sink}"\\} (\\S+)$`, "m").exec(metrics)?.[1] ?? 0);
    return {
      at: performance.now(),
      ...slot,
      ...process,
      parkedEvents: metric("twinrouter_parked_events"),
      parkedBytes: metric("twinrouter_parked_bytes"),
    };
  }

  /** Deno itself reads /proc only for those who may do everything. */
  async #process(): Promise<Pick<Sample, "resident" | "cpuSeconds">> {
    const folder = `/proc/${this.#router.pid}`;
    const { stdout } = await new Deno.Command("cat", { args: [`${folder}/status`, `${folder}/stat`] })
      .output();
    const text = new TextDecoder().decode(stdout);
    // After the name, which may have anything in it: utime and stime are the fields 14 and 15 of proc(5).
    const [user, system] = text.slice(text.lastIndexOf(")") + 2).split(" ").slice(11, 13).map(Number);
    return {
      resident: Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024,
      cpuSeconds: ((user ?? NaN) + (system ?? NaN)) / TICKS,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#watching.catch(() => {});
  }
}
