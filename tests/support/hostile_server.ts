/** What is said on a connection, piece by piece, for as long as anybody listens. `pause` waits for milliseconds. */
export type Say = (pause: (milliseconds: number) => Promise<void>) => AsyncGenerator<string | Uint8Array>;

/** A server on a loopback address that hears nothing, and says whatever it likes, maybe for ever. */
export class HostileServer implements AsyncDisposable {
  /** Bytes that anybody has taken. */
  sent = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #work = new Set<Promise<void>>();
  readonly #timers = new Map<ReturnType<typeof setTimeout>, () => void>();

  constructor(say: Say) {
    this.#track(this.#accept(say));
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
    for (const [timer, resolve] of this.#timers) {
      clearTimeout(timer);
      resolve();
    }
    await Promise.all(this.#work);
  }

  async #accept(say: Say): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        this.#open.add(connection);
        this.#track(this.#hear(connection));
        this.#track(this.#speak(connection, say));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #hear(connection: Deno.TcpConn): Promise<void> {
    const bytes = new Uint8Array(0x10000);
    try {
      while (await connection.read(bytes) !== null);
    } catch {
      // It is closed.
    }
  }

  async #speak(connection: Deno.TcpConn, say: Say): Promise<void> {
    try {
      for await (const piece of say((milliseconds) => this.#pause(milliseconds))) {
        let rest = typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
        while (rest.length > 0) {
          const written = await connection.write(rest);
          this.sent += written;
          rest = rest.subarray(written);
        }
      }
    } catch {
      // Nobody listens any more.
    } finally {
      this.#open.delete(connection);
      close(connection);
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, milliseconds);
      this.#timers.set(timer, resolve);
    });
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    work.finally(() => this.#work.delete(work));
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
