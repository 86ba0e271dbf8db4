import type {
  Batch,
  BatchPreference,
  CreateSink,
  FailedEvent,
  Sink,
  SinkContext,
} from "../../src/sink/sink.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { BatchDelivery } from "./batch_delivery.ts";
import { type BrokerAddress, brokerAddress } from "./broker_address.ts";
import { clientId, clientSettings, isClean, maxInFlight, STATUS } from "./client_settings.ts";
import type { MqttOptions } from "./config.ts";
import { BrokerConnection } from "./connection.ts";
import { Credentials } from "./credentials.ts";
import { MessageEncoder } from "./message.ts";
import { Session } from "./session.ts";

export const createSink: CreateSink<MqttOptions> = (options, context) => new MqttSink(options, context);

/** For the last word at the status topic, milliseconds: who shuts down does not wait for a broker that is frozen. */
const FAREWELL_TIMEOUT = 1000;

/** Publishes events to an MQTT broker, as CloudEvents' MQTT binding says. */
class MqttSink implements Sink {
  /** One batch at a time, whose events are many at once; the window is the sink's own. */
  readonly batch: BatchPreference = { maxEvents: 1000, maxBytes: 4 * 1024 * 1024 };

  readonly #options: MqttOptions;
  readonly #context: SinkContext;
  readonly #address: BrokerAddress;
  readonly #encoder: MessageEncoder;
  readonly #credentials: Credentials;
  readonly #qos: 0 | 1 | 2;
  readonly #session = new Session();
  readonly #suspects = new Set<string>();
  #clientId: string | undefined;
  /** The broker has no session of an earlier process any more. */
  #sessionIsOwn = false;
  #connection: BrokerConnection | undefined;
  #announcement: ReturnType<typeof setTimeout> | undefined;
  #isAnnounced = false;
  /** Why the last delivery ended early, when it could not throw because some of its events were taken. */
  #untold: SinkError | undefined;

  constructor(options: MqttOptions, context: SinkContext) {
    this.#options = options;
    this.#context = context;
    this.#address = brokerAddress(options);
    this.#encoder = new MessageEncoder(options);
    this.#credentials = new Credentials(options);
    this.#qos = options.qos as 0 | 1 | 2;
  }

  async connect(signal: AbortSignal): Promise<void> {
    this.#untold = undefined;
    await this.#connected(signal);
  }

  async deliver(batch: Batch, signal: AbortSignal): Promise<readonly FailedEvent[]> {
    this.#tellLoss();
    const connection = await this.#connected(signal);
    const { maximumPacketSize = Infinity } = connection.limits;
    const maxBytes = Math.min(maximumPacketSize, this.#options.maxPacketSize ?? Infinity);
    const delivery = new BatchDelivery(batch, {
      connection,
      qos: this.#qos,
      retain: this.#options.retain,
      window: this.#window(connection),
      keyByKey: this.#qos > 0 && this.#options.protocolVersion === "5.0.0",
      encode: (event) => this.#encoder.encode(event, maxBytes),
      wasTaken: (event) => this.#session.takeCompleted(event.id),
      suspects: this.#suspects,
    });
    let stopped = false;
    const stop = () => {
      stopped = true;
      connection.abandon();
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      const failed = await delivery.run();
      if (!connection.lost || stopped) return failed;
      if (failed.length === batch.length) throw connection.lost;
      this.#untold = connection.lost;
      return failed;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#announcement);
    const connection = this.#connection;
    if (connection && !connection.lost && this.#isAnnounced) {
      const timer = setTimeout(() => connection.abandon(), FAREWELL_TIMEOUT);
      await this.#announce(connection, STATUS.offline);
      clearTimeout(timer);
    }
    await connection?.[Symbol.asyncDispose]();
    await this.#credentials[Symbol.asyncDispose]();
  }

  /** Of the broker's receive maximum, what earlier connections left unfinished and the status take their share. */
  #window({ limits }: BrokerConnection): number {
    const own = maxInFlight(this.#options);
    if (this.#qos === 0) return own;
    const taken = this.#session.unfinished + (this.#options.statusTopic === undefined ? 0 : 1);
    return Math.max(1, Math.min(own, limits.receiveMaximum - taken));
  }

  /** Throws once that the last delivery lost its connection, so that whoever calls waits and connects. */
  #tellLoss(): void {
    const lost = this.#untold;
    this.#untold = undefined;
    if (lost) throw lost;
  }

  async #connected(signal: AbortSignal): Promise<BrokerConnection> {
    if (signal.aborted) throw new SinkError("retryable", `Cannot reach ${this.#address.url}: stopped`);
    if (this.#connection && !this.#connection.lost) return this.#connection;
    await this.#connection?.[Symbol.asyncDispose]();
    this.#connection = undefined;
    const connection = await this.#login(signal);
    try {
      this.#checkLimits(connection);
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
    this.#connection = connection;
    this.#announceSoon(connection);
    return connection;
  }

  /** A login that is refused counts only when new credentials, where there are any, do no better. */
  async #login(signal: AbortSignal): Promise<BrokerConnection> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#open(signal);
      } catch (error) {
        const isRefused = error instanceof SinkError && error.kind === "fatal";
        if (!isRefused || attempt > 1 || !this.#credentials.refused()) throw error;
      }
    }
  }

  /**
   * A session that is kept begins as a new one: from an earlier process it may have packet identifiers under which the
   * broker would take a new event for a repeat of an old one. MQTT 5 can begin a session anew and keep it; before, it
   * takes a connection of its own to clear the old one away.
   */
  async #open(signal: AbortSignal): Promise<BrokerConnection> {
    const clean = isClean(this.#options);
    if (clean || this.#sessionIsOwn) return await this.#openAs(clean, signal);
    if (this.#options.protocolVersion !== "5.0.0") {
      const clearing = await this.#openAs(true, signal);
      await clearing[Symbol.asyncDispose]();
    }
    const connection = await this.#openAs(this.#options.protocolVersion === "5.0.0", signal);
    this.#sessionIsOwn = true;
    return connection;
  }

  async #openAs(clean: boolean, signal: AbortSignal): Promise<BrokerConnection> {
    this.#clientId ??= await clientId(this.#options, this.#context);
    const login = await this.#credentials.login(signal);
    const identity = { clientId: this.#clientId, login, clean };
    const client = await clientSettings(this.#options, this.#address, this.#context.baseDirectory, identity);
    return await BrokerConnection.open({
      url: this.#address.url,
      client,
      session: this.#session,
      topicIsFixed: this.#encoder.template.isFixed,
    }, signal);
  }

  #checkLimits({ limits }: BrokerConnection): void {
    const { url } = this.#address;
    if (limits.maximumQoS < this.#qos) {
      throw new SinkError("fatal", `Cannot publish to ${url}: it takes no qos above ${limits.maximumQoS}`);
    }
    if (this.#options.retain && !limits.retainAvailable) {
      throw new SinkError("fatal", `Cannot publish to ${url}: it retains nothing; see retain`);
    }
  }

  /** Not at once, so that whoever only tries the connection, and lets go of it, changes nothing at the broker. */
  #announceSoon(connection: BrokerConnection): void {
    if (this.#options.statusTopic === undefined) return;
    clearTimeout(this.#announcement);
    this.#announcement = setTimeout(() => {
      this.#isAnnounced = true;
      void this.#announce(connection, STATUS.online);
    }, 0);
  }

  async #announce(connection: BrokerConnection, status: string): Promise<void> {
    const { statusTopic: topic } = this.#options;
    if (topic === undefined) return;
    const message = { topic, payload: status, contentType: undefined, userProperties: undefined, size: 0 };
    const error = await new Promise<SinkError | undefined>((settled) =>
      connection.publish({ message, eventId: undefined, qos: 1, retain: true, settled })
    );
    if (error) {
      this.#context.log.warn(`Cannot say at ${topic} that the router is ${status}: ${error.message}`);
    }
  }
}
