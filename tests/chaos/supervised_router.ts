import { RouterProcess } from "../support/router_process.ts";
import type { World } from "./world.ts";

/** How long SIGTERM may take, `shutdownTimeout` and a slow machine included. */
const LONGEST_STOP = 60_000;

/** The code of a process that SIGTERM has ended. */
const UNHEARD = 128 + 15;

/** A router that is started anew whenever it was ended. That it ends by itself is a failure. */
export class SupervisedRouter implements AsyncDisposable {
  readonly name: string;
  readonly #folder: string;
  readonly #world: Pick<World, "configuration" | "clock">;
  readonly #onFailure: (error: Error) => void;
  #process: RouterProcess | undefined;
  #logged: Promise<void> = Promise.resolve();

  /** @param parent where it has a folder of its name, with its configuration and log */
  constructor(
    name: string,
    parent: string,
    world: Pick<World, "configuration" | "clock">,
    onFailure: (error: Error) => void,
  ) {
    this.name = name;
    this.#folder = `${parent}/${name}`;
    this.#world = world;
    this.#onFailure = onFailure;
  }

  get folder(): string {
    return this.#folder;
  }

  get process(): RouterProcess {
    if (!this.#process) throw new Error("Cannot ask the router: it is not running");
    return this.#process;
  }

  async start(): Promise<void> {
    const { configuration, clock } = this.#world;
    await Deno.mkdir(this.#folder, { recursive: true });
    const process = await RouterProcess.start(this.#folder, configuration, clock?.environment);
    this.#process = process;
    this.#logged = process.output.then(async (output) => {
      await clock?.clearAfter(process.pid);
      const text = `--- ${process.pid}\n${output}`;
      await Deno.writeTextFile(`${this.#folder}/router.log`, text, { append: true });
      if (this.#process === process) this.#onFailure(new Error(`The router ended by itself:\n${output}`));
    });
  }

  /** The value of one line of `/metrics`; undefined while it does not answer. */
  async metric(name: string): Promise<number | undefined> {
    return await this.#process?.metric(name).catch(() => undefined);
  }

  /**
   * Has it reload another configuration, or a text that is none, if it runs; a start puts the world's there again. Of a
   * router that has not begun nothing is known, and it would end.
   */
  async configure(configuration: World["configuration"] | string): Promise<void> {
    const process = this.#process;
    if (await process?.readiness() === undefined || process !== this.#process) return;
    if (typeof configuration !== "string") await process?.configure(configuration);
    else Deno.writeTextFileSync(`${this.#folder}/events.yaml`, configuration); // before anybody can start it anew
    if (process && process === this.#process) this.signal("SIGHUP");
  }

  async kill(): Promise<void> {
    const process = this.#release();
    await process.kill();
    await this.#logged;
  }

  /** SIGTERM, which it must obey. */
  async stop(): Promise<void> {
    const process = this.#release();
    const patience = setTimeout(() => {
      this.#onFailure(new Error(`The router did not end within ${LONGEST_STOP} ms of SIGTERM`));
      void process.kill();
    }, LONGEST_STOP);
    const code = await process.stop();
    clearTimeout(patience);
    await this.#logged;
    // Until its code is loaded, nobody in there hears signals: it ends as any process does, and has not begun anything.
    const hadBegun = await process.output !== "";
    if (code !== 0 && (code !== UNHEARD || hadBegun)) {
      this.#onFailure(new Error(`The router ended with ${code} after SIGTERM`));
    }
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGHUP"): void {
    Deno.kill(this.process.pid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process) await this.kill();
  }

  #release(): RouterProcess {
    const { process } = this;
    this.#process = undefined;
    return process;
  }
}
