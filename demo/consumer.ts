/** What a consumer has got so far. */
export interface Received {
  /** Events by type, without repeats. */
  readonly types: ReadonlyMap<string, number>;
  /** Events, without repeats. */
  readonly events: number;
  /** Events that came more than once, which at-least-once delivery allows. */
  readonly repeats: number;
  /** Milliseconds from each event's commit to its arrival, ascending. */
  readonly latencies: readonly number[];
  /** The last of all in commit order, an event's `sequence`; undefined before the first. */
  readonly lastSequence: string | undefined;
}

/** A web server that takes events, as anybody's would who subscribes by webhook, and keeps count. */
export class Consumer implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #ids = new Set<string>();
  readonly #types = new Map<string, number>();
  readonly #latencies: number[] = [];
  #repeats = 0;
  #lastSequence: string | undefined;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#take(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/events`;
  }

  get received(): Received {
    return {
      types: this.#types,
      events: this.#ids.size,
      repeats: this.#repeats,
      latencies: this.#latencies.toSorted((a, b) => a - b),
      lastSequence: this.#lastSequence,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #take(request: Request): Promise<Response> {
    if (request.method !== "POST") return new Response(null, { status: 405, headers: { Allow: "POST" } });
    const now = performance.timeOrigin + performance.now();
    const event: { id: string; type: string; time: string; sequence: string } = await request.json();
    if (this.#ids.has(event.id)) {
      this.#repeats++;
    } else {
      this.#ids.add(event.id);
      this.#types.set(event.type, (this.#types.get(event.type) ?? 0) + 1);
      this.#latencies.push(Math.max(0, now - milliseconds(event.time)));
      if (event.sequence > (this.#lastSequence ?? "")) this.#lastSequence = event.sequence;
    }
    return new Response(null, { status: 204 });
  }
}

/** Of a time with microseconds, which `Date` would cut off: `2026-01-01T12:00:00.123456Z`. */
function milliseconds(time: string): number {
  return Date.parse(time.replace(/\.\d+Z$/, "Z")) + 1000 * Number(/\.\d+(?=Z$)/.exec(time)?.[0] ?? 0);
}
