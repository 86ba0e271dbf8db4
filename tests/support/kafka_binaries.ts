import { join } from "node:path";
import { temporaryFolder } from "../../demo/postgres/temporary_folder.ts";

/** The Apache Kafka that tests run. */
const KAFKA_VERSION = "4.1.1";

/** Kafka 4 asks for it. */
const OLDEST_JAVA = 17;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>twinrouter</groupId><artifactId>test-kafka</artifactId><version>1</version>
  <dependencies>
    ${dependency("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)}
    ${dependency("org.apache.kafka", "kafka-tools", KAFKA_VERSION)}
    ${dependency("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")}
  </dependencies>
</project>
`;

function dependency(group: string, artifact: string, version: string): string {
  return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version></dependency>`;
}

/** Whether there is a Kafka for this machine: Java, and Kafka from an earlier run or Maven to fetch it. */
export function hasKafka(): boolean {
  return known ??= javaVersion() >= OLDEST_JAVA && (isThere(libraries()) || succeeds("mvn", "--version"));
}

let known: boolean | undefined;

/** Kafka's class path: from an earlier run's copy, or else by Maven (about 55 MB). */
export async function kafkaClassPath(): Promise<string> {
  const folder = libraries();
  if (!isThere(folder)) await install(folder);
  return join(folder, "*");
}

/** Named after the version; there only when it is whole. */
function libraries(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") ??
    (Deno.env.has("HOME") ? join(Deno.env.get("HOME") ?? "", ".cache") : temporaryFolder());
  return join(home, "twinrouter", `kafka-${KAFKA_VERSION}`);
}

async function install(folder: string): Promise<void> {
  const parent = join(folder, "..");
  await Deno.mkdir(parent, { recursive: true });
  const workplace = await Deno.makeTempDir({ dir: parent, prefix: "kafka-" });
  try {
    await Deno.writeTextFile(join(workplace, "pom.xml"), POM);
    const { success, stdout } = await new Deno.Command("mvn", {
      args: ["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=libraries"]
        .concat("-DincludeScope=runtime"),
      cwd: workplace,
      stdin: "null",
    }).output();
    if (!success) throw new Error(`Cannot fetch Kafka: ${new TextDecoder().decode(stdout)}`);
    await Deno.rename(join(workplace, "libraries"), folder);
  } catch (error) {
    if (!isThere(folder)) throw error; // else another process was first
  } finally {
    await Deno.remove(workplace, { recursive: true });
  }
}

/** 0 where there is none. */
function javaVersion(): number {
  try {
    const { stderr } = new Deno.Command("java", { args: ["-version"], stdin: "null" }).outputSync();
    return Number(/version "(\d+)/.exec(new TextDecoder().decode(stderr))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function succeeds(command: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdin: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
