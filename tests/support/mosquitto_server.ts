import { Buffer } from "node:buffer";
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { freePort } from "../../demo/postgres/free_port.ts";
import { mosquitto } from "./mosquitto.ts";
import { TemporaryFolder } from "./temporary_folder.ts";
import { until } from "./until.ts";

export interface MosquittoOptions {
  /** Lines of mosquitto.conf: `max_inflight_messages`, `message_size_limit` and so on. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** TLS for its only listener; with `clientCa`, clients must show a certificate of that authority. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  /** Passwords by user name; without them nobody is asked. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** An access control list; what it does not allow is refused. */
  readonly acl?: string;
}

/** A Mosquitto of a test's own, on a port of 127.0.0.1 that stays its when it is started again. */
export class MosquittoServer implements AsyncDisposable {
  readonly port = freePort();
  readonly #program: string;
  readonly #folder: TemporaryFolder;
  readonly #options: MosquittoOptions;
  #process: Deno.ChildProcess | undefined;

  private constructor(program: string, folder: TemporaryFolder, options: MosquittoOptions) {
    this.#program = program;
    this.#folder = folder;
    this.#options = options;
  }

  /** Resolves once it listens. */
  static async start(options: MosquittoOptions = {}): Promise<MosquittoServer> {
    const server = new MosquittoServer(await mosquitto(), await TemporaryFolder.make(), options);
    try {
      await server.#configure();
      await server.start();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts it again, on the same port; what it knew when it was stopped it knows again. */
  async start(): Promise<void> {
    const process = new Deno.Command(this.#program, {
      args: ["-c", `${this.#folder.path}/mosquitto.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#process = process;
    let ended = false;
    void process.status.then(() => ended = true);
    await until(async () => {
      if (ended) throw new Error(`Cannot start Mosquitto: ${await this.log()}`);
      return await listens(this.port);
    }, "Mosquitto to listen");
  }

  /** SIGTERM: connections are closed, and what is to be kept is written. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** SIGKILL: what was not written is lost. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** It neither reads nor writes until `thaw`, and its connections stay open. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Other passwords from now on; connections that are there already stay. */
  async setPasswords(passwords: Readonly<Record<string, string>>): Promise<void> {
    await this.#writePasswords(passwords);
    this.#process?.kill("SIGHUP");
    await until(
      async () => (await this.log()).includes("Reloading config"),
      "Mosquitto to read its configuration",
    );
  }

  /** Another access control list from now on. */
  async setAcl(acl: string): Promise<void> {
    await Deno.writeTextFile(`${this.#folder.path}/acl`, acl);
    const reloads = () => this.log().then((text) => text.split("Reloading config").length);
    const before = await reloads();
    this.#process?.kill("SIGHUP");
    await until(async () => await reloads() > before, "Mosquitto to read its configuration");
  }

  async log(): Promise<string> {
    return await Deno.readTextFile(`${this.#folder.path}/log`).catch(() => "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    await this.#folder[Symbol.asyncDispose]();
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#process = undefined;
    process.kill(signal);
    process.kill("SIGCONT"); // it may be frozen
    await process.status;
  }

  async #configure(): Promise<void> {
    const { settings = {}, tls, passwords, acl } = this.#options;
    const { path } = this.#folder;
    const lines = [
      ...(Deno.uid() === 0 ? ["user root"] : []),
      `log_dest file ${path}/log`,
      "persistence true",
      `persistence_location ${path}/`,
      `allow_anonymous ${passwords === undefined}`,
      ...Object.entries({ log_type: "all", ...settings }).map(([name, value]) => `${name} ${value}`),
      ...(passwords ? [`password_file ${path}/passwords`] : []),
      ...(acl !== undefined ? [`acl_file ${path}/acl`] : []),
      `listener ${this.port} 127.0.0.1`,
      ...(tls ? [`certfile ${tls.cert}`, `keyfile ${tls.key}`] : []),
      ...(tls?.clientCa !== undefined ? [`cafile ${tls.clientCa}`, "require_certificate true"] : []),
    ];
    await Deno.writeTextFile(`${path}/mosquitto.conf`, `${lines.join("\n")}\n`);
    if (passwords) await this.#writePasswords(passwords);
    if (acl !== undefined) await Deno.writeTextFile(`${path}/acl`, acl);
  }

  /** As `mosquitto_passwd` writes them: PBKDF2 with SHA-512. */
  async #writePasswords(passwords: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(passwords).map(([user, password]) => {
      const salt = randomBytes(12);
      const hash: Buffer = pbkdf2Sync(password, salt, 101, 64, "sha512");
      return `${user}:$7$101$${salt.toString("base64")}$${hash.toString("base64")}\n`;
    });
    await Deno.writeTextFile(`${this.#folder.path}/passwords`, lines.join(""));
  }
}

async function listens(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
