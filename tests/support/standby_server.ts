import { join } from "node:path";
import { type PostgresServer, startPostgres } from "../../demo/embedded_postgres.ts";
import { TemporaryFolder } from "./temporary_folder.ts";

/** The name of the standby, and of the physical slot that it has on its primary. */
export const STANDBY = "standby";

/** A hot standby that keeps logical slots, too (PostgreSQL 17 and later): a server of its own, and its data. */
export class StandbyServer implements AsyncDisposable {
  readonly server: PostgresServer;
  readonly #folder: TemporaryFolder;

  private constructor(server: PostgresServer, folder: TemporaryFolder) {
    this.server = server;
    this.#folder = folder;
  }

  /**
   * Makes one of a copy of the primary's files; the primary, which has the slot, is stopped meanwhile.
   * @param settings of the standby
   */
  static async of(
    primary: PostgresServer,
    port: number,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<StandbyServer> {
    const folder = await TemporaryFolder.make();
    try {
      await Deno.chmod(folder.path, 0o755); // for the server's user
      const dataDirectory = join(folder.path, "data");
      await primary.stop("fast");
      const { success } = await new Deno.Command("cp", { args: ["-a", primary.dataDirectory, dataDirectory] })
        .output();
      if (!success) throw new Error(`Cannot copy ${primary.dataDirectory}`);
      await Deno.writeTextFile(join(dataDirectory, "standby.signal"), "");
      // A slot of its own would stand in the way of the one that it is to keep.
      for await (const { name } of Deno.readDir(join(dataDirectory, "pg_replslot"))) {
        await Deno.remove(join(dataDirectory, "pg_replslot", name), { recursive: true });
      }
      await primary.start();
      const server = await startPostgres({
        version: primary.version,
        dataDirectory,
        port,
        settings: {
          primary_conninfo:
            `host=${primary.host} port=${primary.port} user=postgres dbname=postgres application_name=${STANDBY}`,
          primary_slot_name: STANDBY,
          hot_standby_feedback: "on",
          sync_replication_slots: "on",
          ...settings,
        },
      });
      return new StandbyServer(server, folder);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
