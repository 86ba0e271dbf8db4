/** As seen from whoever connects: up to the server, or down from it. */
export type Direction = "up" | "down";

/** A proxy between a client and a server, through which a test can look at what passes, hold it up, and cut it off. */
export class TcpProxy implements AsyncDisposable {
  /** Where connections made from now on lead, at 127.0.0.1. */
  target: number;
  /** Told of everything that arrives, before it is passed on. */
  onData: (direction: Direction, bytes: Uint8Array) => void = () => {};
  /** Told of each connection that is accepted. */
  onConnect: () => void = () => {};
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #work = new Set<Promise<void>>();
  readonly #held: Record<Direction, Promise<void>> = { up: Promise.resolve(), down: Promise.resolve() };
  /** Bytes that still pass before everything is cut off. */
  readonly #left: Record<Direction, number> = { up: Infinity, down: Infinity };
  #connections = 0;

  private constructor(target: number, port: number) {
    this.target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#track(this.#accept());
  }

  /** Listens at 127.0.0.1, on a free port unless one is given. */
  static listen(target: number, port = 0): TcpProxy {
    return new TcpProxy(target, port);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Connections that were ever accepted. */
  get connections(): number {
    return this.#connections;
  }

  /** What goes this way waits until then. */
  hold(direction: Direction, until: Promise<void>): void {
    this.#held[direction] = until;
  }

  /** Lets so many more bytes pass this way, on all connections together, and then cuts off, once. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#left[direction] = bytes;
  }

  /** Closes every connection, on both sides; new ones are accepted. */
  cut(): void {
    for (const connection of this.#open) close(connection);
    this.#open.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const direction of ["up", "down"] as const) this.#held[direction] = Promise.resolve();
    while (this.#work.size > 0) {
      this.cut();
      await Promise.race(this.#work);
    }
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        this.#connections++;
        this.onConnect();
        this.#track(this.#connect(client));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #connect(client: Deno.TcpConn): Promise<void> {
    this.#open.add(client);
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.target });
      if (!this.#open.has(client)) return close(server); // cut meanwhile
      this.#open.add(server);
      await Promise.all([this.#pass("up", client, server), this.#pass("down", server, client)]);
      this.#open.delete(server);
    } catch {
      // The server is not there: neither is its proxy.
    }
    close(client);
    this.#open.delete(client);
  }

  /** Passes bytes on until either side is gone; then both are. */
  async #pass(direction: Direction, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const chunk = new Uint8Array(65_536);
    try {
      for (let length = await from.read(chunk); length !== null; length = await from.read(chunk)) {
        this.onData(direction, chunk.subarray(0, length));
        await this.#held[direction];
        const passing = Math.min(length, this.#left[direction]);
        this.#left[direction] -= passing;
        for (let rest = chunk.subarray(0, passing); rest.length > 0;) {
          rest = rest.subarray(await to.write(rest));
        }
        if (this.#left[direction] > 0) continue;
        this.#left[direction] = Infinity;
        this.cut();
      }
    } catch {
      // Either side is gone.
    }
    close(from);
    close(to);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
