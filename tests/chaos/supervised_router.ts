import { RouterProcess } from "../support/router_process.ts";
import type { World } from "./world.ts";

/** How long SIGTERM may take, `shutdownTimeout` and a slow machine included. */
const LONGEST_STOP = 60_000;

/** The code of a process that SIGTERM has ended. */
const UNHEARD = 128 + 15;

/** What a router says that cannot begin, because the disk of its store is full. */
const NO_ROOM = /Cannot keep dead letters and parked events in .*disk/;

/**
 * A router that is started anew whenever it was ended. That it ends by itself is a failure, unless it has found the disk
 * full: then it is started until there is room.
 */
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
    await Deno.mkdir(this.#folder, { recursive: true });
    this.#watch(await this.#spawn());
  }

  #spawn(): Promise<RouterProcess> {
    const { configuration, clock } = this.#world;
    return RouterProcess.start(this.#folder, configuration, clock?.environment);
  }

  #watch(process: RouterProcess): void {
    this.#process = process;
    this.#logged = process.output.then(async (output) => {
      await this.#world.clock?.clearAfter(process.pid);
      const text = `--- ${process.pid}\n${output}`;
      await Deno.writeTextFile(`${this.#folder}/router.log`, text, { append: true });
      if (this.#process !== process) return;
      if (!NO_ROOM.test(output)) return this.#onFailure(new Error(`The router ended by itself:\n${output}`));
      const next = await this.#spawn();
      if (this.#process === process) this.#watch(next);
      else await next[Symbol.asyncDispose](); // somebody wanted it to end meanwhile
    });
  }

  /** What all its processes have logged by now. */
  async told(): Promise<string> {
    const earlier = await Deno.readTextFile(`${this.#folder}/router.log`).catch(() => "");
    return earlier + (this.#process?.outputSoFar ?? "");
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
    const output = await process.output;
    const hadBegun = output !== "";
    if (NO_ROOM.test(output)) return;
    if (code !== 0 && (code !== UNHEARD || hadBegun)) {
      this.#onFailure(new Error(`The router ended with ${code} after SIGTERM`));
    }
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGHUP"): void {
    this.process.signal(signal);
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
