import { join } from "node:path";
import { freePort } from "../../demo/postgres/free_port.ts";
import { startArguments } from "./start_task.ts";
import { until } from "./until.ts";

/** Milliseconds that a router may take to end, on a slow machine. */
const LONGEST_END = 120_000;

/** What `/readyz` says. */
export interface Readiness {
  readonly status: number;
  readonly body: string;
}

/** The router as its users run it: a process of its own, with a configuration file and an HTTP port. */
export class RouterProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<string>;
  readonly #file: string;
  readonly #port: number;
  readonly url: string;
  #outputSoFar = "";
  #ended: Deno.CommandStatus | undefined;

  private constructor(child: Deno.ChildProcess, file: string, port: number) {
    this.#child = child;
    this.#file = file;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#output = this.#readAll(child.stderr);
    void child.status.then((status) => this.#ended = status);
  }

  /**
   * Starts `main.ts run` with the keys under `events.config` as given; `http` is added. `folder` is where the
   * configuration is written and what its relative paths start from; `environment` is added to this process's.
   */
  static async start(
    folder: string,
    configuration: Readonly<Record<string, unknown>>,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<RouterProcess> {
    const port = freePort();
    const file = join(folder, "events.yaml");
    await Deno.writeTextFile(file, documentOf(configuration, port));
    const child = new Deno.Command(Deno.execPath(), {
      args: startArguments("run", "--config", file),
      env: { ...environment },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    return new RouterProcess(child, file, port);
  }

  /** Puts another configuration in the place of the one before, at once, as editors do. */
  async configure(configuration: Readonly<Record<string, unknown>>): Promise<void> {
    const draft = `${this.#file}.draft`;
    await Deno.writeTextFile(draft, documentOf(configuration, this.#port));
    await Deno.rename(draft, this.#file);
  }

  /** Has it reload its configuration, and waits until it has. */
  async reload(result: "applied" | "refused" = "applied"): Promise<void> {
    const count = async () => await this.metric(RELOADS(result)) ?? 0;
    const before = await count();
    this.signal("SIGHUP");
    await until(async () => await count() > before, `a reload to be ${result}`);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it has written to stderr, once it has ended. */
  get output(): Promise<string> {
    return this.#output;
  }

  /** What it has written to stderr by now. */
  get outputSoFar(): string {
    return this.#outputSoFar;
  }

  async readiness(): Promise<Readiness | undefined> {
    try {
      const response = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      return { status: response.status, body: await response.text() };
    } catch {
      return undefined;
    }
  }

  /** Waits until `/readyz` answers with this status; fails at once when the process has ended. */
  async untilReadyIs(status: number, timeoutMs = 30_000): Promise<void> {
    let last: Readiness | undefined;
    await until(
      async () => {
        if (this.#ended) throw new Error(`The router ended with ${this.#ended.code}:\n${await this.#output}`);
        last = await this.readiness();
        return last?.status === status;
      },
      () => `/readyz to be ${status}; last ${last?.status} ${last?.body}`,
      timeoutMs,
    );
  }

  /** The value of one line of `/metrics`, by its name and labels as written there; undefined while nobody serves that. */
  async metric(name: string): Promise<number | undefined> {
    const metrics = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(30_000) })
      .then((response) => response.text(), () => "");
    const line = metrics.split("\n").find((line) => line.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  }

  /** The most memory that was ever resident, in bytes (Linux). */
  async peakResidentBytes(): Promise<number> {
    // Deno itself reads /proc only for those who may do everything.
    const { stdout } = await new Deno.Command("cat", { args: [`/proc/${this.pid}/status`] }).output();
    const status = new TextDecoder().decode(stdout);
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** Ends it without a chance to say goodbye. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#child.status;
  }

  /** Asks it to end, and gives its exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.signal(signal);
    return await this.ended();
  }

  /** Its exit code, once it has ended. */
  async ended(): Promise<number> {
    await until(
      () => this.#ended !== undefined,
      () => `the router to end:\n${this.#outputSoFar}`,
      LONGEST_END,
    );
    return (await this.#child.status).code;
  }

  /** Nothing happens to one that has ended. */
  signal(signal: Deno.Signal): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  async #readAll(stream: ReadableStream<Uint8Array>): Promise<string> {
    const text = stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>);
    for await (const part of text) this.#outputSoFar += part;
    return this.#outputSoFar;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#output;
  }
}

/** As it is written by `/metrics`. */
export const RELOADS = (result: "applied" | "refused") =>
  `twinrouter_configuration_reloads_total{result="${result}"}`;

/** YAML holds JSON. */
function documentOf(configuration: Readonly<Record<string, unknown>>, port: number): string {
  return JSON.stringify({ events: { config: { ...configuration, http: { host: "127.0.0.1", port } } } });
}
