import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { patchKafkajs } from "../../sinks/kafka/kafkajs_patches.ts";
import { freePort } from "../../demo/postgres/free_port.ts";
import { kafkaClassPath } from "./kafka_binaries.ts";
import {
  KAFKA_LISTENERS,
  KAFKA_USER,
  type KafkaListener,
  type KafkaPorts,
  kafkaProperties,
} from "./kafka_properties.ts";
import { TemporaryFolder } from "./temporary_folder.ts";
import type { TokenServer } from "./token_server.ts";
import { until } from "./until.ts";

/** Quick to start rather than quick in the long run, and small. */
const JAVA_OPTIONS = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

const LOGGING =
  `<Configuration status="ERROR"><Appenders><Console name="out"><PatternLayout pattern="%m%n%throwable"/>
</Console></Appenders><Loggers><Logger name="kafka.server.KafkaRaftServer" level="INFO"/>
<Root level="WARN"><AppenderRef ref="out"/></Root></Loggers></Configuration>\n`;

export interface KafkaServerOptions {
  /** Whose tokens log in by OAUTHBEARER. */
  readonly tokens?: TokenServer;
  /** More of `server.properties`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Milliseconds that one of Kafka's tools may take. */
const LONGEST_TOOL = 120_000;

/** An Apache Kafka of one node, on loopback addresses, that keeps its ports and data over a stop and a start. */
export class KafkaServer implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #classPath: string;
  readonly #ports: KafkaPorts;
  readonly #javaOptions: readonly string[];
  #process: Deno.ChildProcess | undefined;

  private constructor(
    folder: TemporaryFolder,
    classPath: string,
    ports: KafkaPorts,
    javaOptions: readonly string[],
  ) {
    this.#folder = folder;
    this.#classPath = classPath;
    this.#ports = ports;
    this.#javaOptions = javaOptions;
  }

  /** Finds or fetches Kafka, formats its storage and starts it; resolves once it serves. */
  static async start(options: KafkaServerOptions = {}): Promise<KafkaServer> {
    for (let attempt = 1;; attempt++) {
      try {
        return await KafkaServer.#start(options);
      } catch (error) {
        // Of ports that were free, somebody may have taken one before Kafka did.
        if (attempt === 3 || !String(error).includes("Address already in use")) throw error;
      }
    }
  }

  static async #start({ tokens, settings = {} }: KafkaServerOptions): Promise<KafkaServer> {
    const classPath = await kafkaClassPath();
    const folder = await TemporaryFolder.make();
    const names = [...Object.keys(KAFKA_LISTENERS), "CONTROLLER", "PROXY"];
    const ports = distinctPorts(names) as KafkaPorts;
    const allowed = tokens ? [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokens.keysUrl}`] : [];
    const server = new KafkaServer(folder, classPath, ports, [...JAVA_OPTIONS, ...allowed]);
    try {
      const properties = await kafkaProperties(ports, join(folder.path, "data"), tokens, settings);
      await Deno.writeTextFile(server.#path("server.properties"), properties);
      await Deno.writeTextFile(server.#path("log4j2.xml"), LOGGING);
      await server.#format();
      await server.restart();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As a `brokerList` has it. */
  address(listener: KafkaListener | "PROXY", host = "127.0.0.1"): string {
    return `${host}:${this.port(listener)}`;
  }

  port(listener: KafkaListener | "PROXY"): number {
    return this.#ports[listener];
  }

  /** A client of somebody who may do everything. */
  client(): Kafka {
    patchKafkajs();
    return new Kafka({
      brokers: [this.address("PLAINTEXT")],
      logLevel: logLevel.NOTHING,
      connectionTimeout: 10_000,
      retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 20 },
    });
  }

  /** Starts it again after a stop. */
  async restart(): Promise<void> {
    const log = this.#path("output");
    // Into a file: what is read in this process would begin in one test and end in another.
    const child = new Deno.Command("sh", {
      args: ["-c", `exec "$@" > '${log}' 2>&1`, "kafka", "java"]
        .concat(this.#arguments("kafka.Kafka", this.#path("server.properties"))),
      stdin: "null",
    }).spawn();
    this.#process = child;
    let ended = false;
    void child.status.then(() => ended = true);
    await until(
      async () => {
        const output = await Deno.readTextFile(log).catch(() => "");
        if (ended) throw new Error(`Kafka ended:\n${output}`);
        return output.includes("Kafka Server started");
      },
      "Kafka to serve",
      120_000,
    );
  }

  /** Ends it without a chance to say goodbye, as a crash does; `restart` starts it again. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
  }

  /** It keeps its connections and answers nothing until it is resumed. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Runs one of Kafka's own tools, and gives what it prints. */
  async tool(mainClass: string, ...args: readonly string[]): Promise<string> {
    const command = new Deno.Command("java", {
      args: this.#arguments(mainClass, ...args),
      stdin: "null",
      signal: AbortSignal.timeout(LONGEST_TOOL),
    });
    const { success, stdout, stderr } = await command.output();
    const text = new TextDecoder().decode(stdout);
    if (!success) throw new Error(`${mainClass} failed: ${text}${new TextDecoder().decode(stderr)}`);
    return text;
  }

  /** What Kafka's own tool prints of the batches in the first segment of a partition, whose records it reads, too. */
  async dump(topic: string, partition = 0): Promise<string> {
    const segment = this.#path(join("data", `${topic}-${partition}`, "00000000000000000000.log"));
    return await this.tool("kafka.tools.DumpLogSegments", "--deep-iteration", "--files", segment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#folder[Symbol.asyncDispose]();
  }

  #path(name: string): string {
    return join(this.#folder.path, name);
  }

  #arguments(mainClass: string, ...args: readonly string[]): string[] {
    const logging = `-Dlog4j2.configurationFile=${this.#path("log4j2.xml")}`;
    return [...this.#javaOptions, logging, "-cp", this.#classPath, mainClass, ...args];
  }

  async #format(): Promise<void> {
    const { saslUsername, saslPassword } = KAFKA_USER;
    const users = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
      "--add-scram",
      `${mechanism}=[name="${saslUsername}",password="${saslPassword}"]`,
    ]);
    await this.tool(
      "kafka.tools.StorageTool",
      "format",
      "--cluster-id",
      "dHdpbnJvdXRlci10ZXN0cw",
      "--config",
      this.#path("server.properties"),
      ...users,
    );
  }
}

/** Each of them free, and no two the same. */
function distinctPorts(names: readonly string[]): Record<string, number> {
  const ports = new Set<number>();
  while (ports.size < names.length) ports.add(freePort());
  const [...free] = ports;
  return Object.fromEntries(names.map((name, index) => [name, free[index] ?? 0]));
}
