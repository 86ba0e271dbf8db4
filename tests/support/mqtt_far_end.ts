import { type MosquittoOptions, MosquittoServer } from "./mosquitto_server.ts";
import { MqttPackets } from "./mqtt_packets.ts";
import { MqttReader } from "./mqtt_reader.ts";
import type { ReceivedEvent } from "./received_event.ts";
import type { FarEnd } from "./sink_conformance.ts";
import { TcpProxy } from "./tcp_proxy.ts";
import { until } from "./until.ts";

/** A Mosquitto behind a proxy, with a subscriber that is connected to it directly. */
export class MqttFarEnd implements FarEnd {
  readonly server: MosquittoServer;
  readonly proxy: TcpProxy;
  readonly reader: MqttReader;
  /** PUBLISH packets that the sink has sent. */
  readonly published: MqttPackets;

  private constructor(server: MosquittoServer, proxy: TcpProxy, reader: MqttReader) {
    this.server = server;
    this.proxy = proxy;
    this.reader = reader;
    this.published = new MqttPackets(proxy);
  }

  /** The last of its users is the subscriber. */
  static async start(options: MosquittoOptions = {}): Promise<MqttFarEnd> {
    const server = await MosquittoServer.start(options);
    const [username, password] = Object.entries(options.passwords ?? {}).at(-1) ?? [];
    const login = username === undefined ? {} : { username, password: password ?? "" };
    const reader = await MqttReader.subscribe({ port: server.port, ...login });
    return new MqttFarEnd(server, TcpProxy.listen(server.port), reader);
  }

  async received(): Promise<readonly ReceivedEvent[]> {
    await this.reader.settled();
    return this.reader.events();
  }

  stall(until: Promise<void>): void {
    this.proxy.hold("down", until);
  }

  async stalled(): Promise<number> {
    await until(() => this.published.publishes > 0, "the sink to publish");
    await this.reader.settled(); // whatever came in one piece with the first
    return this.published.publishes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reader[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}
