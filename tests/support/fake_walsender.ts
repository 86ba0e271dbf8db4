import { ByteReader } from "../../src/postgres/byte_reader.ts";
import type { ConnectionOptions } from "../../src/postgres/connection/connection_options.ts";
import { MessageFramer } from "../../src/postgres/connection/message_framer.ts";
import { ByteWriter } from "./byte_writer.ts";
import { until } from "./until.ts";

/** What a client has told the server by a standby status update. */
export interface ReceivedStatus {
  readonly written: bigint;
  readonly flushed: bigint;
  readonly applied: bigint;
  readonly replyRequested: boolean;
}

/**
 * A server that lets everybody in and answers START_REPLICATION by a stream of what a test sends; for what a real
 * PostgreSQL does too rarely.
 */
export class FakeWalSender implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly streams: FakeStream[] = [];
  /** Answers status updates that ask for it by a keepalive with this position; a silent server by undefined. */
  replyWith: bigint | undefined = 0n;
  readonly #served: Promise<void>;
  readonly #connections = new Set<Deno.TcpConn>();

  constructor() {
    this.#served = this.#serve();
  }

  get options(): ConnectionOptions {
    return {
      hosts: [{ host: "127.0.0.1", port: this.#listener.addr.port }],
      database: "twins",
      user: "router",
      sslMode: "disable",
      channelBinding: "disable",
      targetSessionAttrs: "any",
      connectTimeout: 5_000,
      applicationName: "test",
    };
  }

  /** The stream with this index, counted over all connections, once a client has started it. */
  async stream(index = 0): Promise<FakeStream> {
    await until(() => this.streams.length > index, `replication stream ${index}`);
    return this.streams[index] as FakeStream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await this.#served;
  }

  async #serve(): Promise<void> {
    const clients: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      clients.push(this.#converse(connection).catch(() => {}).finally(() => close(connection)));
    }
    await Promise.all(clients);
  }

  async #converse(connection: Deno.TcpConn): Promise<void> {
    const startup = await readExactly(connection, 4);
    await readExactly(connection, new ByteReader(startup).int32() - 4);
    await write(connection, [
      message("R", new ByteWriter().int32(0)),
      message("S", new ByteWriter().cString("server_version").cString("18.0")),
      message("K", new ByteWriter().int32(4711).int32(0)),
      ready(),
    ]);
    const framer = new MessageFramer(1 << 20);
    let stream: FakeStream | undefined;
    for await (const chunk of connection.readable) {
      for (const received of framer.push(chunk)) {
        if (received.kind === "copyData") {
          for (const payload of received.payloads) await this.#note(stream, payload);
        } else if (received.type === "Q") {
          stream = await this.#answer(connection, new ByteReader(received.body).cString());
        } else if (received.type === "c") {
          await write(connection, [message("c"), message("C", new ByteWriter().cString("COPY 0")), ready()]);
        } else if (received.type === "X") return;
      }
    }
  }

  async #answer(connection: Deno.TcpConn, sql: string): Promise<FakeStream | undefined> {
    if (!sql.startsWith("START_REPLICATION")) {
      await write(connection, [message("I"), ready()]);
      return undefined;
    }
    await write(connection, [message("W", new ByteWriter().uint8(0).int16(0))]);
    const stream = new FakeStream(connection, sql);
    this.streams.push(stream);
    return stream;
  }

  async #note(stream: FakeStream | undefined, payload: Uint8Array): Promise<void> {
    const reader = new ByteReader(payload);
    reader.skip(1);
    const [written, flushed, applied] = [reader.uint64(), reader.uint64(), reader.uint64()];
    reader.skip(8);
    const replyRequested = reader.uint8() === 1;
    stream?.statuses.push({ written, flushed, applied, replyRequested });
    if (replyRequested && this.replyWith !== undefined) await stream?.keepalive(this.replyWith);
  }
}

/** One START_REPLICATION. */
export class FakeStream {
  readonly #connection: Deno.TcpConn;
  readonly command: string;
  readonly statuses: ReceivedStatus[] = [];

  constructor(connection: Deno.TcpConn, command: string) {
    this.#connection = connection;
    this.command = command;
  }

  /** Waits for a status update, of those that come from now on, that is like this. */
  async status(isAwaited: (status: ReceivedStatus) => boolean, awaited: string): Promise<void> {
    const from = this.statuses.length;
    await until(() => this.statuses.slice(from).some(isAwaited), awaited);
  }

  keepalive(walEnd: bigint, replyRequested = false): Promise<void> {
    return this.send(
      new ByteWriter().character("k").int64(walEnd).int64(0n).uint8(replyRequested ? 1 : 0).finish(),
    );
  }

  xLogData(start: bigint, payload: Uint8Array): Promise<void> {
    return this.send(
      new ByteWriter().character("w").int64(start).int64(start).int64(0n).bytes(payload).finish(),
    );
  }

  /** Any CopyData. */
  send(payload: Uint8Array): Promise<void> {
    return write(this.#connection, [message("d", new ByteWriter().bytes(payload))]);
  }

  /** The connection is gone, without a word. */
  cut(): void {
    close(this.#connection);
  }
}

function ready(): Uint8Array {
  return message("Z", new ByteWriter().character("I"));
}

function message(type: string, body = new ByteWriter()): Uint8Array {
  const bytes = body.finish();
  return new ByteWriter().character(type).int32(bytes.length + 4).bytes(bytes).finish();
}

async function write(connection: Deno.TcpConn, messages: readonly Uint8Array[]): Promise<void> {
  const all = messages.reduce((writer, each) => writer.bytes(each), new ByteWriter()).finish();
  for (let written = 0; written < all.length;) written += await connection.write(all.subarray(written));
}

async function readExactly(connection: Deno.TcpConn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) throw new Error("Cannot read on: the client has gone");
    filled += count;
  }
  return bytes;
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
