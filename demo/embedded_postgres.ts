import { join } from "node:path";
import { type PostgresBinaries, postgresBinaries, type PostgresVersion } from "./postgres/binaries.ts";
import { Cluster } from "./postgres/cluster.ts";
import { freePort } from "./postgres/free_port.ts";
import { guardArguments } from "./postgres/guard.ts";
import { runningProcesses, sendSignal } from "./postgres/processes.ts";
import { type Account, serverAccount } from "./postgres/server_account.ts";
import { temporaryFolder } from "./postgres/temporary_folder.ts";

/** How to start a server; everything has a default. */
export interface PostgresOptions {
  /** Major version; default 18. */
  readonly version?: PostgresVersion;
  /** Lines of `postgresql.conf`, before which come logical replication, loopback and a short Unix socket path. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Content of `pg_hba.conf`; default: everybody on this machine is trusted, for replication too. */
  readonly hba?: string;
  /** PEM files, which are copied to the server; `caFile` is for client certificates. */
  readonly ssl?: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string };
  /**
   * A cluster to keep: made if it is not there, and left when the server is disposed of. Default: a temporary one.
   * Root's must be in a folder that the server's user can reach.
   */
  readonly dataDirectory?: string;
  /** Default: one that is free, and likely to stay free over a restart. */
  readonly port?: number;
  /** Told of what takes its time. */
  readonly log?: (line: string) => void;
}

/** How a server goes down: waiting for clients, ending their sessions (the default), or as in a crash. */
export type StopMode = "smart" | "fast" | "immediate";

/**
 * A PostgreSQL server of one's own, with the superuser `postgres` and the database `postgres`. It ends with
 * this process, however that ends, and its temporary files with it.
 */
export interface PostgresServer extends AsyncDisposable {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** Folder of the Unix socket `.s.PGSQL.<port>`. */
  readonly socketDirectory: string;
  readonly dataDirectory: string;
  /** Major version. */
  readonly version: PostgresVersion;
  /** `postgres://postgres@127.0.0.1:<port>/postgres` */
  readonly connectionString: string;
  /** The postmaster's process id; throws while the server is stopped. */
  readonly pid: number;
  /** The postmaster and its children, postmaster first. */
  pids(): Promise<number[]>;
  /** Starts it again, on the same port and data, after `stop` or `kill`. Resolves when it takes connections. */
  start(): Promise<void>;
  /** Resolves when it has ended; at once if it has. The data stays. Default `fast`. */
  stop(mode?: StopMode): Promise<void>;
  /**
   * Sends a signal to the postmaster and all its children: SIGSTOP and SIGCONT freeze and thaw the server. After
   * SIGKILL it resolves when all have ended.
   */
  kill(signal: Deno.Signal): Promise<void>;
  /** All that the server has logged. */
  logText(): Promise<string>;
}

/** Starts a PostgreSQL server on this machine's loopback; resolves when it takes connections. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const version = options.version ?? 18;
  const binaries = await postgresBinaries(version, options.log ?? (() => {}));
  const account = await serverAccount();
  const home = await Deno.makeTempDir({ dir: temporaryFolder(), prefix: "twinrouter-pg-" });
  if (account !== undefined) await Deno.chown(home, account.uid, account.gid);
  const server = new EmbeddedPostgres(options, version, binaries, account, home);
  try {
    await server.create();
    await server.startOnFreePort();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

const SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

class EmbeddedPostgres implements PostgresServer {
  readonly host = "127.0.0.1";
  readonly version: PostgresVersion;
  readonly socketDirectory: string;
  readonly #options: PostgresOptions;
  readonly #binaries: PostgresBinaries;
  readonly #account: Account | undefined;
  readonly #cluster: Cluster;
  readonly #logFile: string;
  readonly #guard: Deno.ChildProcess;
  readonly #guardInput: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #port: number;
  #postmaster: Deno.ChildProcess | undefined;

  constructor(
    options: PostgresOptions,
    version: PostgresVersion,
    binaries: PostgresBinaries,
    account: Account | undefined,
    home: string,
  ) {
    this.version = version;
    this.socketDirectory = home;
    this.#options = options;
    this.#binaries = binaries;
    this.#account = account;
    this.#cluster = new Cluster(options.dataDirectory ?? join(home, "data"), account);
    this.#logFile = join(home, "log");
    this.#port = options.port ?? freePort();
    this.#guard = this.#command("sh", {
      args: guardArguments(this.dataDirectory, home),
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#guard.unref();
    this.#guardInput = this.#guard.stdin.getWriter();
  }

  get port(): number {
    return this.#port;
  }

  get dataDirectory(): string {
    return this.#cluster.dataDirectory;
  }

  get connectionString(): string {
    return `postgres://postgres@${this.host}:${this.port}/postgres`;
  }

  get pid(): number {
    if (this.#postmaster === undefined) throw new Error("Cannot name the postmaster: the server is stopped");
    return this.#postmaster.pid;
  }

  /** Makes the cluster, unless there is one, and gives it its files. */
  async create(): Promise<void> {
    if (!(await this.#cluster.exists())) {
      await this.#cluster.makeFolder();
      const { success, stdout, stderr } = await this.#command(join(this.#binaries.folder, "bin/initdb"), {
        args: ["--pgdata", this.dataDirectory, "--username=postgres", "--auth=trust", "--encoding=UTF8"]
          .concat(["--locale=C", "--no-sync"]),
      }).output();
      if (!success) throw new Error(`Cannot make a database cluster: ${text(stderr) || text(stdout)}`);
    }
    const { hba, ssl } = this.#options;
    await this.#cluster.write("pg_hba.conf", hba ?? TRUST_EVERYBODY_HERE);
    if (ssl === undefined) return;
    await this.#cluster.write("server.crt", await Deno.readTextFile(ssl.certFile));
    await this.#cluster.write("server.key", await Deno.readTextFile(ssl.keyFile));
    if (ssl.caFile !== undefined) await this.#cluster.write("root.crt", await Deno.readTextFile(ssl.caFile));
  }

  /** Starts it on another port if somebody was quicker to take the one that was free. */
  async startOnFreePort(): Promise<void> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.start();
      } catch (error) {
        const taken = /could not bind .*Address already in use/.test(await this.logText());
        if (!taken || this.#options.port !== undefined || attempt === 10) throw error;
        this.#port = freePort();
      }
    }
  }

  async start(): Promise<void> {
    if (this.#postmaster !== undefined) throw new Error("Cannot start PostgreSQL: it is running");
    const logged = (await this.logText()).length;
    await this.#cluster.configure(this.#settings());
    // `sh` only opens the log: exec makes the postmaster the child whose end is seen here.
    const postmaster = this.#command("sh", {
      args: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "postgres", this.#logFile]
        .concat([join(this.#binaries.folder, "bin/postgres"), "-D", this.dataDirectory]),
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#postmaster = postmaster;
    void postmaster.status.then(() => this.#postmaster = undefined);
    await this.#guardInput.write(new TextEncoder().encode(`${postmaster.pid}\n`));
    while (!(await this.#cluster.isReady(postmaster.pid))) {
      if (this.#postmaster === undefined) {
        const why = (await this.logText()).slice(logged).trim();
        throw new Error(`Cannot start PostgreSQL ${this.version} on port ${this.port}: ${why}`);
      }
      await soon();
    }
    postmaster.unref();
  }

  async stop(mode: StopMode = "fast"): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster === undefined) return;
    postmaster.ref();
    sendSignal(postmaster.pid, SIGNALS[mode]);
    await postmaster.status;
  }

  async kill(signal: Deno.Signal): Promise<void> {
    const postmaster = this.#postmaster;
    const pids = await this.pids();
    for (const pid of pids) sendSignal(pid, signal);
    if (signal !== "SIGKILL" || postmaster === undefined) return;
    postmaster.ref();
    await postmaster.status;
    while ((await runningProcesses()).some(({ pid }) => pids.includes(pid))) await soon();
  }

  async pids(): Promise<number[]> {
    const children = (await runningProcesses()).filter(({ parent }) => parent === this.pid);
    return [this.pid, ...children.map(({ pid }) => pid)];
  }

  async logText(): Promise<string> {
    try {
      return await Deno.readTextFile(this.#logFile);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const temporary = this.#options.dataDirectory === undefined;
    // Somebody may have frozen it.
    const patience = setTimeout(() => void this.kill("SIGKILL"), temporary ? 2_000 : 30_000);
    await this.stop(temporary ? "immediate" : "fast");
    clearTimeout(patience);
    this.#guard.ref();
    await this.#guardInput.close();
    await this.#guard.status;
  }

  #settings(): Record<string, string> {
    const { ssl, settings } = this.#options;
    return {
      listen_addresses: this.host,
      port: String(this.port),
      unix_socket_directories: this.socketDirectory,
      wal_level: "logical",
      max_wal_senders: "20",
      max_replication_slots: "20",
      log_line_prefix: "%m [%p] %q%a ",
      ...(ssl === undefined ? {} : { ssl: "on" }),
      ...(ssl?.caFile === undefined ? {} : { ssl_ca_file: "root.crt" }),
      ...settings,
    };
  }

  /**
   * A command that runs as the server's user, with no settings of this process's, and in a session of its own: a
   * terminal's Ctrl-C does not reach it.
   */
  #command(program: string, options: Deno.CommandOptions): Deno.Command {
    return new Deno.Command(program, {
      stdin: "null",
      ...options,
      ...this.#account,
      cwd: this.socketDirectory,
      clearEnv: true,
      env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
      detached: true,
    });
  }
}

const TRUST_EVERYBODY_HERE = `local all,replication all trust
host all,replication all 127.0.0.1/32 trust
`;

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).trim();
}
