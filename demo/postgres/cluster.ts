import { join } from "node:path";
import type { Account } from "./server_account.ts";

/** The files of a database cluster, which belong to the server's user. */
export class Cluster {
  readonly dataDirectory: string;
  readonly #account: Account | undefined;

  constructor(dataDirectory: string, account: Account | undefined) {
    this.dataDirectory = dataDirectory;
    this.#account = account;
  }

  /** Whether `initdb` has been here. */
  async exists(): Promise<boolean> {
    return await this.#read("PG_VERSION") !== undefined;
  }

  /** Makes the folder, empty, for `initdb` to fill. */
  async makeFolder(): Promise<void> {
    await Deno.mkdir(this.dataDirectory, { recursive: true, mode: 0o700 });
    await this.#giveAway(this.dataDirectory);
  }

  /** Writes a file that only the server's user may read: PostgreSQL insists on that for keys. */
  async write(name: string, content: string): Promise<void> {
    const path = join(this.dataDirectory, name);
    await Deno.writeTextFile(path, content, { mode: 0o600 });
    await this.#giveAway(path);
  }

  async configure(settings: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) =>
      `${name} = '${value.replaceAll("'", "''")}'\n`
    );
    await this.write("postgresql.conf", lines.join(""));
  }

  /** Whether this postmaster takes connections; the eighth line of `postmaster.pid` says so, and `pg_ctl` goes by it too. */
  async isReady(pid: number): Promise<boolean> {
    const lines = (await this.#read("postmaster.pid"))?.split("\n") ?? [];
    return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
  }

  async #read(name: string): Promise<string | undefined> {
    try {
      return await Deno.readTextFile(join(this.dataDirectory, name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async #giveAway(path: string): Promise<void> {
    if (this.#account !== undefined) await Deno.chown(path, this.#account.uid, this.#account.gid);
  }
}
