import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "../demo/postgres/free_port.ts";
import { inRepository } from "./support/repository.ts";
import { startArguments } from "./support/start_task.ts";
import { TemporaryFolder } from "./support/temporary_folder.ts";
import { until } from "./support/until.ts";

/** What only some kinds of sink need. */
const OF_SINKS = /^(kafkajs|hysnappy|numcodecs|mqtt.*|oauth4webapi|axios|@?azure.*)$/;

/** The npm packages that the program has run by the time it serves, started as users start it; nobody else is there. */
async function packagesOf(eventSinks: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  await using folder = await TemporaryFolder.make();
  const port = freePort();
  const config = {
    source: { host: "127.0.0.1", port: 2, user: "u", database: "d" },
    http: { port },
    eventSinks,
  };
  const file = join(folder.path, "events.yaml");
  const list = join(folder.path, "packages");
  await Deno.writeTextFile(file, JSON.stringify({ events: { config } }));
  const [run = "", ...args] = startArguments("run", "--config", file);
  const preload = `--preload=${inRepository("tests/support/loaded_packages.ts")}`;
  const router = new Deno.Command(Deno.execPath(), {
    args: [run, preload, ...args],
    env: { LOADED_PACKAGES: list },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await until(
    async () => {
      const response = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(10_000) })
        .catch(() => undefined);
      await response?.body?.cancel();
      return response?.status === 200;
    },
    "the router to serve",
  );
  router.kill("SIGTERM");
  await router.status;
  return (await Deno.readTextFile(list)).split("\n");
}

Deno.test("a router with nothing but a console runs no package of another kind of sink", async () => {
  const packages = await packagesOf({ console: [{ name: "Screen" }] });
  assert(packages.includes("zod"), packages.join());
  assert.deepEqual(packages.filter((each) => OF_SINKS.test(each)), []);
});

Deno.test("a router with a kusto sink runs Microsoft's packages, and none of other kinds of sink", async () => {
  const auth = { type: "clientSecret", tenantId: "t", clientId: "c", clientSecret: "s" };
  const packages = await packagesOf({
    kusto: [{ name: "Adx", ingestionUri: "http://127.0.0.1:2", database: "d", auth }],
  });
  for (const name of ["azure-kusto-ingest", "azure-kusto-data", "@azure/identity"]) {
    assert(packages.includes(name), packages.join());
  }
  assert.deepEqual(packages.filter((each) => /^(kafkajs|mqtt.*)$/.test(each)), []);
});

Deno.test("a router with a kafka sink runs kafkajs, and no codec before there is something for it", async () => {
  const packages = await packagesOf({
    kafka: [{ name: "Stream", brokerList: "127.0.0.1:2", topic: "t", securityProtocol: "PLAINTEXT" }],
  });
  assert(packages.includes("kafkajs"), packages.join());
  assert.deepEqual(packages.filter((each) => /^(hysnappy|numcodecs|fflate)$/.test(each)), []);
});
