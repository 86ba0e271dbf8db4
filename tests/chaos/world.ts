import { hasFaketime } from "../support/faketime.ts";
import { hasKafka } from "../support/kafka_binaries.ts";
import { KAFKA_USER } from "../support/kafka_properties.ts";
import { KafkaServer } from "../support/kafka_server.ts";
import { createTopics } from "../support/kafka_topics.ts";
import { hasMosquitto } from "../support/mosquitto.ts";
import { MosquittoServer } from "../support/mosquitto_server.ts";
import { MqttReader } from "../support/mqtt_reader.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { type ReceivedRequest, type Reply, WebhookReceiver } from "../support/webhook_receiver.ts";
import { SmallDisk } from "./small_disk.ts";
import { WallClock } from "./wall_clock.ts";

/** Topics of the two ways of delivery. */
export const TOPICS = { atLeastOnce: "twins", exactlyOnce: "twins-once" } as const;

/** All that the router has to do with, each behind a proxy; what this machine cannot have is undefined. */
export interface World extends AsyncDisposable {
  readonly database: TwinDatabase;
  readonly receiver: WebhookReceiver;
  /** What the webhook has taken, that is answered with 204. */
  readonly notified: () => readonly string[];
  /** The data history, as it arrived. */
  readonly archived: () => Promise<readonly string[]>;
  /** What the webhook says instead. */
  refusal: (() => Reply) | undefined;
  readonly kafka: KafkaServer | undefined;
  readonly mosquitto: MosquittoServer | undefined;
  /** Who reads what the broker gets, one after the other; the last does it now. */
  readonly mqttReaders: MqttReader[];
  readonly disk: SmallDisk | undefined;
  /** The router's. */
  readonly clock: WallClock | undefined;
  /** By the name of what is behind each. */
  readonly proxies: Readonly<Record<string, TcpProxy>>;
  /** Under `events.config`. */
  readonly configuration: Readonly<Record<string, unknown>> & {
    readonly eventSinks: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
    readonly eventRoutes: readonly Readonly<Record<string, unknown>>[];
  };
}

/** What this machine cannot have, for want of what. */
export async function missingParts(): Promise<string[]> {
  const missing: string[] = [];
  if (!hasKafka()) missing.push("Kafka, for want of Java 17");
  if (!hasMosquitto()) missing.push("MQTT, for want of Mosquitto");
  if (!hasFaketime()) missing.push("clocks that are set, for want of libfaketime");
  if (!await SmallDisk.canMount()) missing.push("a full disk, for want of the right to mount one");
  return missing;
}

/** @param storeOnDisk whether the router's store is a file on a disk that can be full, if there can be one */
export async function openWorld(folder: string, storeOnDisk: boolean): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const proxies: Record<string, TcpProxy> = {};
  const proxy = (name: string, target: number, port?: number) =>
    proxies[name] = stack.use(TcpProxy.listen(target, port));

  const database = stack.use(await TwinDatabase.open({ settings: { wal_sender_timeout: "3s" } }));
  const { port } = proxy("PostgreSQL", database.server.port);
  const taken: ReceivedRequest[] = [];
  const respond = (request: ReceivedRequest): Reply => {
    const refused = world.refusal?.() ?? 204;
    if (refused === 204 && request.method === "POST") taken.push(request);
    return refused;
  };
  const receiver = stack.use(new WebhookReceiver({ respond }));
  const hook = proxy("webhook", receiver.port);
  const webhook = (name: string, path: string) => (
    { name, url: `http://127.0.0.1:${hook.port}${path}`, concurrency: 8, timeout: "2s" }
  );
  const takenAt = (wanted: string) => taken.filter(({ path }) => path === wanted).map(({ body }) => body);
  const file = `${folder}/archive.ndjson`;
  const eventSinks: Record<string, Record<string, unknown>[]> = storeOnDisk
    ? { webhook: [webhook("Hook", "/events")], file: [{ name: "Archive", path: file }] }
    : {
      webhook: [webhook("Hook", "/events"), { ...webhook("Archive", "/history"), contentMode: "batched" }],
    };

  let kafka: KafkaServer | undefined;
  if (hasKafka()) {
    kafka = stack.use(await KafkaServer.start());
    // Of a clock that is behind, retention would take what is new for old.
    await createTopics(kafka.client(), Object.values(TOPICS), 3, [{ name: "retention.ms", value: "-1" }]);
    proxy("Kafka", kafka.port("PROXIED"), kafka.port("PROXY"));
    const common = {
      brokerList: kafka.address("PROXY"),
      securityProtocol: "SASL_PLAINTEXT",
      saslMechanism: "PLAIN",
      ...KAFKA_USER,
      timeout: "3s",
    };
    eventSinks["kafka"] = [
      { ...common, name: "Stream", topic: TOPICS.atLeastOnce },
      { ...common, name: "Exact", topic: TOPICS.exactlyOnce, delivery: "exactly-once" },
    ];
  }

  let mosquitto: MosquittoServer | undefined;
  const mqttReaders: MqttReader[] = [];
  if (hasMosquitto()) {
    mosquitto = stack.use(
      await MosquittoServer.start({
        settings: { max_inflight_messages: 0, max_queued_messages: 0, log_type: "warning" },
      }),
    );
    mqttReaders.push(await readMqtt(mosquitto));
    stack.defer(async () => await mqttReaders.at(-1)?.[Symbol.asyncDispose]());
    const broker = proxy("MQTT", mosquitto.port);
    const address = { broker: "127.0.0.1", port: broker.port, topic: "twins", keepAlive: "2s" };
    eventSinks["mqtt"] = [{ ...address, name: "Broker", protocolVersion: "5.0.0", qos: 1 }];
  }

  const clock = hasFaketime() ? await WallClock.make(`${folder}/clock`) : undefined;
  const disk = storeOnDisk ? await SmallDisk.mount(`${folder}/disk`) : undefined;
  if (disk) stack.use(disk);

  const configuration = {
    source: {
      connectionString: `postgres://postgres@127.0.0.1:${port}/postgres`,
      walSenderTimeout: "3s",
    },
    ...(disk && { store: { sqlite: `${disk.path}/store.db` } }),
    queue: { maxEvents: 300 },
    retry: { initial: "50ms", max: "500ms" },
    parking: { parkAfter: "1s" },
    shutdownTimeout: "3s",
    eventSinks,
    eventRoutes: Object.values(eventSinks).flat().flatMap(({ name }) => {
      const eventFormat = name === "Archive" ? "DataHistory" : "EventNotification";
      return [{ sinkName: name, eventFormat }, { sinkName: name, eventFormat: "Telemetry" }];
    }),
  };
  const owned = stack.move();
  const world: World = {
    database,
    receiver,
    notified: () => takenAt("/events"),
    archived: async () => {
      if (storeOnDisk) return (await Deno.readTextFile(file)).trimEnd().split("\n");
      return takenAt("/history").flatMap((body) => JSON.parse(body) as unknown[]).map((event) =>
        JSON.stringify(event)
      );
    },
    refusal: undefined,
    kafka,
    mosquitto,
    mqttReaders,
    disk,
    clock,
    proxies,
    configuration,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  return world;
}

/** It is patient with a broker that is frozen. */
export function readMqtt({ port }: MosquittoServer): Promise<MqttReader> {
  return MqttReader.subscribe({ port, keepalive: 600 });
}
