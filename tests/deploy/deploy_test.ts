import assert from "node:assert/strict";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { sinkKinds } from "../../sinks/registry.ts";
import { loadConfiguration } from "../../src/config/load_configuration.ts";
import { inRepository } from "../support/repository.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";

const environment = {
  DATABASE_URL: "postgres://router@db.example/twins",
  HOOK_TOKEN: "token",
  MQTT_PASSWORD: "pw",
  KAFKA_PASSWORD: "pw",
  AZURE_CLIENT_SECRET: "pw",
};
const example = inRepository("deploy/events.example.yaml");

function load(file: string) {
  return loadConfiguration(file, { kinds: sinkKinds, environment });
}

/** Loads a configuration that another file carries. */
async function loadText(text: string) {
  await using folder = await TemporaryFolder.make();
  const file = join(folder.path, "events.yaml");
  await Deno.writeTextFile(file, text);
  return load(file);
}

Deno.test("the example configuration loads, and its values are the defaults that it says they are", async () => {
  const configuration = load(example);
  assert.deepEqual(configuration.sinks.map(({ name }) => name), [
    "Screen",
    "Archive",
    "Hook",
    "Stream",
    "Hub",
    "Broker",
    "Adx",
  ]);
  const bare = await loadText(
    "events: { config: { source: { connectionString: '${DATABASE_URL}' }, eventSinks: { console: [{ name: Screen }] } } }",
  );
  for (const key of ["maxBatchSize", "http", "shutdownTimeout"] as const) {
    assert.deepEqual(configuration[key], bare[key], key);
  }
  assert.deepEqual({ ...configuration.source, graphs: undefined }, { ...bare.source, graphs: undefined });
  const [screen, defaultScreen] = [configuration.sinks[0], bare.sinks[0]];
  assert.deepEqual(screen?.retry, defaultScreen?.retry);
  assert.deepEqual(screen?.queue, defaultScreen?.queue);
});

Deno.test("the example configuration names every key of the router, the source, and the sinks that are built", async () => {
  const text = await Deno.readTextFile(example);
  const schema = JSON.parse(await Deno.readTextFile(inRepository("docs/events.schema.json")));
  const { config } = schema.properties.events.properties;
  const keys = [
    ...Object.keys(config.properties),
    ...Object.keys(config.properties.source.properties),
    ...Object.values(sinkKinds).flatMap(({ load, options }) =>
      load === undefined ? [] : Object.keys(options.shape)
    ),
  ];
  assert.ok(keys.length > 30);
  assert.deepEqual(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(text)), []);
});

Deno.test("the configuration for Kubernetes loads, serves to the kubelet, and writes to its volume", async () => {
  const manifests = parseAllDocuments(await Deno.readTextFile(inRepository("deploy/kubernetes.yaml")));
  const [, map, , deployment] = manifests.map((document) => document.toJS());
  const configuration = await loadText(map.data["events.yaml"]);
  const { containers: [container] } = deployment.spec.template.spec;
  assert.deepEqual(configuration.http, { host: "0.0.0.0", port: container.ports[0].containerPort });
  const mounted = container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
  assert.ok(typeof configuration.store === "object");
  const { sqlite } = configuration.store;
  assert.ok(mounted.some((path: string) => sqlite.startsWith(`${path}/`)));
});

Deno.test("the configuration for Compose loads, and serves to its port", async () => {
  const { configs } = parse(await Deno.readTextFile(inRepository("deploy/compose.yaml")));
  const configuration = await loadText(configs.events.content.replaceAll("$$", "$"));
  assert.deepEqual(configuration.http, { host: "0.0.0.0", port: 8080 });
});

Deno.test("the image's command starts the router", async () => {
  const [deno = "", ...args] = await dockerCommand("ENTRYPOINT");
  assert.equal(deno, "/bin/deno");
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    // Tests have not fetched what only other commands need.
    args: [...withSources(args).filter((arg) => arg !== "--cached-only"), "--version"],
  }).output();
  assert.ok(success);
  assert.match(new TextDecoder().decode(stdout), /^\d+\.\d+\.\d+\n$/);
});

Deno.test("the image's health check follows /livez", async () => {
  const [, ...args] = await dockerCommand("HEALTHCHECK");
  let status = 200;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => new Response(null, { status: new URL(request.url).pathname === "/livez" ? status : 404 }),
  );
  const isHealthy = async () =>
    (await new Deno.Command(Deno.execPath(), { args: [...withSources(args), String(server.addr.port)] })
      .output())
      .success;
  assert.equal(await isHealthy(), true);
  status = 503;
  assert.equal(await isHealthy(), false);
  await server.shutdown();
  assert.equal(await isHealthy(), false);
});

/** The command of a Dockerfile's instruction, which is written as a JSON array. */
async function dockerCommand(instruction: string): Promise<string[]> {
  const text = (await Deno.readTextFile(inRepository("Dockerfile"))).replaceAll("\\\n", " ");
  const command = new RegExp(`^${instruction} [^\\[]*(\\[.*\\])$`, "m").exec(text)?.[1];
  assert.ok(command);
  return JSON.parse(command);
}

function withSources(args: readonly string[]): string[] {
  return args.map((arg) => arg.startsWith("/app/") ? inRepository(arg.slice("/app/".length)) : arg);
}
