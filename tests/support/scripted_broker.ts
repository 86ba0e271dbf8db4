import { Buffer } from "node:buffer";
import {
  generate,
  type IConnackPacket,
  type IConnectPacket,
  type IPublishPacket,
  type Packet,
  parser,
  type QoS,
} from "mqtt-packet";
import { until } from "./until.ts";

/** What becomes of a PUBLISH: a reason code in its PUBACK or PUBREC, no answer, or the end of the connection. */
export type Reply = number | "none" | "cut" | { readonly disconnect: number } | { readonly raw: Uint8Array };

/**
 * A broker that does what a test says, and remembers what it was sent. It keeps the state of QoS 2 exchanges when a
 * client asks it to, as brokers do: an event is taken at its PUBLISH, and one that comes again under an identifier that
 * was not released is taken only once.
 */
export class ScriptedBroker implements AsyncDisposable {
  readonly connects: IConnectPacket[] = [];
  /** Every PUBLISH, repeats included. */
  readonly publishes: IPublishPacket[] = [];
  /** What subscribers would have got. */
  readonly taken: IPublishPacket[] = [];
  /** Identifiers of PUBREL packets. */
  readonly released: number[] = [];
  /** How DISCONNECT packets ended connections. */
  readonly goodbyes: number[] = [];
  /** The most exchanges that were ever under way at once. */
  mostUnderWay = 0;
  connack: Partial<IConnackPacket> = {};
  refuseConnect: (packet: IConnectPacket) => number = () => 0;
  respond: (packet: IPublishPacket) => Reply = () => 0;
  /** Whether a PUBREL is answered. */
  completes = true;
  /** Whether a session is kept that a client asks to keep. */
  keepsSessions = true;
  /** Whether it reads at all. */
  answersPings = true;
  /** Answers to PUBLISH packets wait for this. */
  gate: Promise<void> = Promise.resolve();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #work = new Set<Promise<void>>();
  readonly #sessions = new Map<string, Set<number>>();

  constructor() {
    this.#track(this.#accept());
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Resolves once there were so many PUBLISH packets. */
  async received(count: number): Promise<void> {
    await until(
      () => this.publishes.length >= count,
      () => `PUBLISH ${count}; there are ${this.publishes.length}`,
    );
  }

  cut(): void {
    for (const connection of this.#open) close(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await Promise.all(this.#work);
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) this.#track(this.#serve(connection));
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    this.#open.add(connection);
    const client = new ClientConnection(this, connection, this.#sessions);
    const chunk = new Uint8Array(65_536);
    try {
      for (
        let length = await connection.read(chunk);
        length !== null;
        length = await connection.read(chunk)
      ) {
        client.read(chunk.slice(0, length));
      }
    } catch {
      // The client is gone, or was cut off.
    }
    close(connection);
    this.#open.delete(connection);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}

class ClientConnection {
  readonly #broker: ScriptedBroker;
  readonly #connection: Deno.TcpConn;
  readonly #sessions: Map<string, Set<number>>;
  #parser = parser({ protocolVersion: 5 });
  #version = 5;
  /** Identifiers that were published with QoS 2 and not released. */
  #unreleased = new Set<number>();
  #underWay = 0;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(broker: ScriptedBroker, connection: Deno.TcpConn, sessions: Map<string, Set<number>>) {
    this.#broker = broker;
    this.#connection = connection;
    this.#sessions = sessions;
    this.#parser.on("packet", (packet) => this.#handle(packet));
  }

  read(bytes: Uint8Array): void {
    this.#parser.parse(Buffer.from(bytes));
  }

  #handle(packet: Packet): void {
    switch (packet.cmd) {
      case "connect":
        return this.#connect(packet);
      case "publish":
        return void this.#publish(packet);
      case "pubrel":
        this.#broker.released.push(packet.messageId ?? 0);
        this.#unreleased.delete(packet.messageId ?? 0);
        if (!this.#broker.completes) return;
        this.#underWay--;
        return this.#send({ cmd: "pubcomp", messageId: packet.messageId ?? 0, reasonCode: 0 });
      case "pingreq":
        if (this.#broker.answersPings) this.#send({ cmd: "pingresp" });
        return;
      case "disconnect":
        this.#broker.goodbyes.push(packet.reasonCode ?? 0);
    }
  }

  #connect(packet: IConnectPacket): void {
    const { clientId, clean = true, protocolVersion = 4, properties } = packet;
    this.#version = protocolVersion;
    this.#broker.connects.push(packet);
    const kept = clean || !this.#broker.keepsSessions ? undefined : this.#sessions.get(clientId);
    this.#unreleased = kept ?? new Set();
    if (protocolVersion < 5 ? !clean : (properties?.sessionExpiryInterval ?? 0) > 0) {
      this.#sessions.set(clientId, this.#unreleased);
    }
    const code = this.#broker.refuseConnect(packet);
    this.#send({
      cmd: "connack",
      sessionPresent: kept !== undefined && code === 0,
      ...(protocolVersion === 5 ? { reasonCode: code } : { returnCode: code }),
      ...this.#broker.connack,
    });
  }

  async #publish(packet: IPublishPacket): Promise<void> {
    const { qos, messageId = 0 } = packet;
    this.#broker.publishes.push(packet);
    if (qos > 0) this.#broker.mostUnderWay = Math.max(this.#broker.mostUnderWay, ++this.#underWay);
    const reply = this.#broker.respond(packet);
    if (typeof reply !== "number") {
      if (reply === "cut") return close(this.#connection);
      if (reply === "none") return this.#take(packet);
      return "raw" in reply
        ? this.#write(reply.raw)
        : this.#send({ cmd: "disconnect", reasonCode: reply.disconnect });
    }
    if (reply < 0x80) this.#take(packet);
    if (reply >= 0x80 || qos < 2) this.#underWay -= qos > 0 ? 1 : 0;
    await this.#broker.gate;
    if (qos > 0) this.#send({ cmd: qos === 1 ? "puback" : "pubrec", messageId, reasonCode: reply });
  }

  #take(packet: IPublishPacket): void {
    const { qos, messageId = 0 } = packet;
    if (qos === 2 && this.#unreleased.has(messageId)) return;
    if (qos === 2) this.#unreleased.add(messageId);
    this.#broker.taken.push(packet);
  }

  #send(packet: Packet): void {
    this.#write(generate(packet, { protocolVersion: this.#version } as never));
  }

  #write(bytes: Uint8Array): void {
    this.#writing = this.#writing.then(async () => {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#connection.write(rest));
    }).catch(() => {}); // it is closed
  }
}

/** A PUBLISH's packet identifier, quality of service and DUP flag, for comparisons. */
export function identity({ messageId, qos, dup }: IPublishPacket): { id: number; qos: QoS; dup: boolean } {
  return { id: messageId ?? 0, qos, dup };
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
