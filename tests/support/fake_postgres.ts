import type { ConnectionOptions, HostAddress } from "../../src/postgres/connection/connection_options.ts";
import { ByteWriter } from "./byte_writer.ts";

/** The server's end of a connection, for a test that says and hears what it wants. */
export class FakeBackend {
  readonly #conn: Deno.TcpConn;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    conn.setNoDelay();
  }

  /** The next message that has no type: SSLRequest, StartupMessage, CancelRequest; without its length. */
  async readUntyped(): Promise<Uint8Array> {
    const length = new DataView((await this.#read(4)).buffer).getInt32(0);
    return await this.#read(length - 4);
  }

  /** The next message; undefined when the client has closed. */
  async readMessage(): Promise<{ type: string; body: Uint8Array } | undefined> {
    try {
      const type = String.fromCharCode(...await this.#read(1));
      return { type, body: await this.readUntyped() };
    } catch (error) {
      if (error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.ConnectionReset) {
        return undefined;
      }
      throw error;
    }
  }

  /** Whatever comes next, as one read gives it. */
  async readSome(): Promise<Uint8Array> {
    const bytes = new Uint8Array(64 * 1024);
    return bytes.subarray(0, await this.#conn.read(bytes) ?? 0);
  }

  async send(...parts: (Uint8Array | string)[]): Promise<void> {
    for (const part of parts) {
      let bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
      while (bytes.length > 0) bytes = bytes.subarray(await this.#conn.write(bytes));
    }
  }

  /** Startup message, AuthenticationOk and all that follows to the first ReadyForQuery. */
  async letIn(parameters: Readonly<Record<string, string>> = writableSession): Promise<void> {
    await this.readUntyped();
    await this.send(authentication(0));
    for (const [name, value] of Object.entries(parameters)) await this.send(parameterStatus(name, value));
    await this.send(message("K", (body) => body.int32(4711).int32(1)), readyForQuery());
  }

  async #read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const read = await this.#conn.read(bytes.subarray(filled));
      if (read === null) throw new Deno.errors.UnexpectedEof();
      filled += read;
    }
    return bytes;
  }
}

/** A listener on this machine that treats every client as `serve` does, and then hangs up. */
export class FakePostgres implements AsyncDisposable {
  readonly address: HostAddress;
  readonly #listener: Deno.TcpListener;
  readonly #served: Promise<void>;
  readonly #connections = new Set<Deno.TcpConn>();

  constructor(serve: (backend: FakeBackend, connectionNumber: number) => Promise<void>) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = { host: "127.0.0.1", port: this.#listener.addr.port };
    this.#served = this.#serveAll(serve);
  }

  /** Options for a connection to it, without TLS if they do not say otherwise. */
  options(changes: Partial<ConnectionOptions> = {}): ConnectionOptions {
    return {
      hosts: [this.address],
      database: "twins",
      user: "ann",
      sslMode: "disable",
      channelBinding: "prefer",
      targetSessionAttrs: "read-write",
      connectTimeout: 10_000,
      applicationName: "test",
      ...changes,
    };
  }

  /** Rejects with what a `serve` has thrown. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#connections) {
      this.#connections.delete(conn);
      conn.close();
    }
    await this.#served;
  }

  async #serveAll(serve: (backend: FakeBackend, connectionNumber: number) => Promise<void>): Promise<void> {
    const all: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      all.push(this.#serveOne(conn, serve(new FakeBackend(conn), all.length)));
    }
    await Promise.all(all);
  }

  async #serveOne(conn: Deno.TcpConn, serving: Promise<void>): Promise<void> {
    this.#connections.add(conn);
    try {
      await serving;
    } catch (error) {
      // The client has gone, or the test is over.
      const isOver = error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.BadResource ||
        error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.BrokenPipe;
      if (!isOver) throw error;
    } finally {
      if (this.#connections.delete(conn)) conn.close();
    }
  }
}

/** What PostgreSQL 14 and later report of a session that writes. */
export const writableSession = {
  server_version: "18.1",
  in_hot_standby: "off",
  default_transaction_read_only: "off",
} as const;

/** A message of the server: Byte1 type, Int32 length, and what `write` writes. */
export function message(type: string, write: (body: ByteWriter) => ByteWriter = (body) => body): Uint8Array {
  const body = write(new ByteWriter()).finish();
  return new ByteWriter().character(type).int32(body.length + 4).bytes(body).finish();
}

export function authentication(request: number, data: Uint8Array | string = ""): Uint8Array {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return message("R", (body) => body.int32(request).bytes(bytes));
}

export function parameterStatus(name: string, value: string): Uint8Array {
  return message("S", (body) => body.cString(name).cString(value));
}

export function errorResponse(code: string, text: string): Uint8Array {
  return message(
    "E",
    (body) =>
      body.character("S").cString("FEHLER").character("V").cString("FATAL").character("C").cString(code)
        .character("M").cString(text).character("D").cString("the detail").character("H").cString("the hint")
        .uint8(0),
  );
}

export function readyForQuery(): Uint8Array {
  return message("Z", (body) => body.character("I"));
}

export function copyBothResponse(): Uint8Array {
  return message("W", (body) => body.uint8(0).int16(0));
}

export function copyData(payload: Uint8Array | string): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  return message("d", (body) => body.bytes(bytes));
}

export function copyDone(): Uint8Array {
  return message("c");
}

export function commandComplete(tag: string): Uint8Array {
  return message("C", (body) => body.cString(tag));
}
