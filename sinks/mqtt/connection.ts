import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from "mqtt";
import { SinkError } from "../../src/sink/sink_error.ts";
import { limitPackets } from "./largest_packet.ts";
import type { Message } from "./message.ts";
import { verdictOf } from "./reason_codes.ts";
import type { Session } from "./session.ts";

/** What a broker says, when it accepts a connection, that it takes. */
export interface BrokerLimits {
  /** Exchanges that are under way, at most. */
  readonly receiveMaximum: number;
  /** Bytes. */
  readonly maximumPacketSize: number | undefined;
  readonly maximumQoS: number;
  readonly retainAvailable: boolean;
  readonly topicAliasMaximum: number;
}

export interface Publication {
  readonly message: Message;
  /** Absent for what is no event. */
  readonly eventId: string | undefined;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Called once: with nothing when the broker has taken it, with why when it has not or that is unknown. */
  readonly settled: (error: SinkError | undefined) => void;
}

export interface ConnectionSettings {
  /** The broker's, for messages. */
  readonly url: string;
  /** Everything that mqtt.js needs to know but what this class decides itself. */
  readonly client: IClientOptions;
  readonly session: Session;
  readonly topicIsFixed: boolean;
}

/** PUBCOMP's way to say that the exchange was completed before. */
const PACKET_IDENTIFIER_NOT_FOUND = 0x92;
/** How long a broker may take to close its side, milliseconds. */
const CLOSE_TIMEOUT = 1000;
const CONNECT_TIMEOUT = 30_000;

/**
 * One connection of an mqtt.js client, which never makes another: what comes after a loss is the sink's to decide, so
 * that nothing goes out unasked. mqtt.js forgets callbacks when a connection ends, and leaves one open on which it
 * understands nothing any more; here whatever goes wrong ends the connection, and settles all that was under way.
 */
export class BrokerConnection implements AsyncDisposable {
  readonly #settings: ConnectionSettings;
  readonly #client: MqttClient;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  readonly #underWay = new Set<(error?: unknown) => void>();
  /** QoS 0: what was written since the last PINGREQ, and, for each PINGREQ without an answer, what was before it. */
  #unproven: (() => void)[] = [];
  readonly #proofs: (() => void)[][] = [];
  readonly #aliases = new Map<string, number>();
  #limits: BrokerLimits = limitsOf(undefined);
  #lost: SinkError | undefined;
  #proving = false;

  private constructor(settings: ConnectionSettings) {
    this.#settings = settings;
    const { session } = settings;
    this.#client = mqtt.connect({
      ...settings.client,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT,
      resubscribe: false,
      outgoingStore: session.store,
      messageIdProvider: session.packetIds,
    });
    limitPackets(this.#client.options);
    this.#listen();
  }

  /** Resolves once the broker has accepted it, and what the last connection of the session left is completed. */
  static async open(settings: ConnectionSettings, signal: AbortSignal): Promise<BrokerConnection> {
    if (signal.aborted) throw new SinkError("retryable", `Cannot reach ${settings.url}: stopped`);
    const connection = new BrokerConnection(settings);
    const stop = () => connection.abandon();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await connection.#opened.promise;
      return connection;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  get limits(): BrokerLimits {
    return this.#limits;
  }

  /** Why it is of no use any more. */
  get lost(): SinkError | undefined {
    return this.#lost;
  }

  publish({ message, eventId, qos, retain, settled }: Publication): void {
    if (this.#lost) return settled(this.#lost);
    const { session } = this.#settings;
    const settle = (error?: unknown) => {
      const reason = this.#errorOf(error);
      if (this.#underWay.delete(settle)) settled(reason);
      else if (!reason && eventId !== undefined) session.complete(eventId); // an answer that was read after the loss
    };
    this.#underWay.add(settle);
    if (qos === 0) this.#unproven.push(settle);
    const { topic, topicAlias } = this.#aliased(message);
    const { contentType, userProperties } = message;
    const properties = contentType === undefined ? undefined : {
      contentType,
      ...(userProperties && { userProperties }),
      ...(topicAlias !== undefined && { topicAlias }),
    };
    session.publishing(qos === 0 ? undefined : eventId, (dup) => {
      const options = { qos, retain, dup, ...(properties && { properties }) };
      // Without a callback for QoS 0: mqtt.js would make it wait for `drain`, which a connection that ends never has.
      this.#client.publish(topic, message.payload, options, ...(qos === 0 ? [] : [settle]));
    });
  }

  /** Settles what was published with QoS 0, once the broker is known to have read it: it answers in order. */
  prove(): void {
    if (this.#proving || this.#unproven.length === 0) return;
    this.#proving = true;
    queueMicrotask(() => {
      this.#proving = false;
      if (!this.#lost) this.#client.sendPing();
    });
  }

  /** Ends the connection at once; what is not yet on the network stays here. */
  abandon(): void {
    this.#lose(new SinkError("retryable", `Cannot reach ${this.#settings.url}: stopped`));
  }

  /** Takes leave, so that the broker sends no last will, and waits until the connection is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#lost) {
      const isKept = this.#settings.client.properties?.sessionExpiryInterval !== undefined;
      // Nothing is unfinished, so that nothing needs to be kept.
      this.#client.end(false, isKept ? { properties: { sessionExpiryInterval: 0 } } : {});
    }
    const timer = setTimeout(() => this.#client.stream.destroy(), CLOSE_TIMEOUT);
    await this.#closed.promise;
    clearTimeout(timer);
  }

  #listen(): void {
    const client = this.#client;
    client.on("connect", () => this.#opened.resolve());
    client.on("error", (error) => this.#lose(this.#networkError(error)));
    client.on(
      "disconnect",
      ({ reasonCode = 0, properties }) =>
        this.#lose(this.#refusal("disconnect", reasonCode, properties?.reasonString)),
    );
    client.on("close", () => {
      this.#lose(new SinkError("retryable", `Cannot reach ${this.#settings.url}: the connection was closed`));
      this.#closed.resolve();
    });
    client.on("packetsend", ({ cmd }) => {
      if (cmd !== "pingreq") return;
      this.#proofs.push(this.#unproven);
      this.#unproven = [];
    });
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "connack") this.#accepted(packet);
      if (packet.cmd === "pingresp") { for (const settle of this.#proofs.shift() ?? []) settle(); }
    });
    this.#opened.promise.catch(() => {});
  }

  /** Comes before mqtt.js does anything about it. */
  #accepted({ returnCode, reasonCode = returnCode ?? 0, sessionPresent, properties }: IConnackPacket): void {
    if (!sessionPresent) this.#settings.session.forget();
    this.#limits = limitsOf(properties);
    if (reasonCode === 0) return;
    const hint = properties?.reasonString ?? properties?.serverReference;
    this.#lose(this.#refusal("connect", reasonCode, hint));
  }

  #aliased({ topic, size }: Message): { readonly topic: string; readonly topicAlias: number | undefined } {
    const { topicAliasMaximum, maximumPacketSize = Infinity } = this.#limits;
    const known = this.#aliases.get(topic);
    if (known !== undefined) return { topic: "", topicAlias: known };
    // An alias takes three bytes, and perhaps one more in each length.
    if (this.#aliases.size >= topicAliasMaximum || size + 5 > maximumPacketSize) {
      return { topic, topicAlias: undefined };
    }
    const topicAlias = this.#aliases.size + 1;
    this.#aliases.set(topic, topicAlias);
    return { topic, topicAlias };
  }

  #lose(reason: SinkError): void {
    if (this.#lost) return;
    this.#lost = reason;
    this.#opened.reject(reason);
    this.#client.end(true);
    for (const settle of [...this.#underWay]) settle(reason);
  }

  #errorOf(error: unknown): SinkError | undefined {
    if (!error) return undefined;
    if (error instanceof SinkError) return error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === PACKET_IDENTIFIER_NOT_FOUND) return undefined;
    if (typeof code === "number") return this.#refusal("publish", code);
    return this.#lost ?? this.#networkError(error); // of what is ended here, mqtt.js only tells that it is closed
  }

  #refusal(refusal: "connect" | "publish" | "disconnect", code: number, hint?: string): SinkError {
    const { url, topicIsFixed } = this.#settings;
    const { kind, name } = verdictOf(code, refusal, topicIsFixed);
    const action = refusal === "publish"
      ? "publish to"
      : refusal === "connect"
      ? "connect to"
      : "stay connected to";
    return new SinkError(kind, `Cannot ${action} ${url}: ${name}${hint === undefined ? "" : `, ${hint}`}`);
  }

  #networkError(error: unknown): SinkError {
    const state = error instanceof Error
      ? error.message || ("code" in error ? error.code : error.name)
      : error;
    const kind = error instanceof Deno.errors.NotCapable ? "fatal" : "retryable";
    return new SinkError(kind, `Cannot reach ${this.#settings.url}: ${state}`, { cause: error });
  }
}

/** What MQTT 5, section 3.2.2.3, says of each that is left out. */
function limitsOf(properties: IConnackPacket["properties"]): BrokerLimits {
  return {
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    maximumPacketSize: properties?.maximumPacketSize,
    maximumQoS: properties?.maximumQoS ?? 2,
    retainAvailable: properties?.retainAvailable ?? true,
    topicAliasMaximum: properties?.topicAliasMaximum ?? 0,
  };
}
