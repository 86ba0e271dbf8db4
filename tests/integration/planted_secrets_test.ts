import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { freePort } from "../../demo/postgres/free_port.ts";
import { RouterProcess } from "../support/router_process.ts";
import { runCommand } from "../support/run_command.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";

/** Every place of a configuration that holds a secret, each with one of its own that is easy to find. */
const SECRETS = {
  database: "planted-database-5ecret",
  path: "planted-path-5ecret",
  token: "planted-token-5ecret",
  header: "planted-header-5ecret",
  oauth: "planted-oauth-5ecret",
  signing: `whsec_${Buffer.from("planted-signing-5ecret-of-24").toString("base64")}`,
  mqtt: "planted-mqtt-5ecret",
  kafka: "planted-kafka-5ecret",
  kusto: "planted-kusto-5ecret",
};

/** Sinks of every kind whose far ends are not there, so that whatever can be said of a failure is said. */
function unreachable(): Readonly<Record<string, unknown>> {
  const port = freePort();
  const origin = `http://127.0.0.1:${port}`;
  return {
    webhook: [
      {
        name: "Bearer",
        url: `${origin}/${SECRETS.path}?code=${SECRETS.path}`,
        headers: { "X-Key": SECRETS.header },
        auth: { type: "bearer", token: SECRETS.token },
        signingKeys: [SECRETS.signing],
      },
      {
        name: "OAuth",
        url: origin,
        auth: { type: "oauth2", tokenUrl: origin, clientId: "router", clientSecret: SECRETS.oauth },
      },
    ],
    mqtt: [{
      name: "Mqtt",
      broker: "127.0.0.1",
      port,
      topic: "t",
      username: "router",
      password: SECRETS.mqtt,
    }],
    kafka: [{
      name: "Kafka",
      brokerList: `127.0.0.1:${port}`,
      topic: "t",
      saslMechanism: "PLAIN",
      saslUsername: "router",
      saslPassword: SECRETS.kafka,
    }],
    kusto: [{
      name: "Kusto",
      ingestionUri: origin,
      database: "twins",
      auth: {
        type: "clientSecret",
        tenantId: "tenant",
        clientId: "router",
        clientSecret: SECRETS.kusto,
        authorityHost: origin,
      },
    }],
  };
}

function assertClean(where: string, text: string): void {
  for (const [name, secret] of Object.entries(SECRETS)) {
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")]) {
      assert(!text.includes(form), `${where} shows the secret ${name}: ${text}`);
    }
  }
}

Deno.test("no log, no page and no answer of a command shows a secret of the configuration", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await database.sql.unsafe(`ALTER ROLE postgres PASSWORD '${SECRETS.database}'`);
  const url = new URL(database.server.connectionString);
  url.password = SECRETS.database;
  const configuration = {
    source: { connectionString: `${url}` },
    retry: { initial: "10ms", max: "50ms" },
    eventSinks: unreachable(),
  };
  await using router = await RouterProcess.start(folder.path, configuration);
  await router.untilReadyIs(503);
  await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "a"}')`;
  await until(async () => {
    const { body = "" } = await router.readiness() ?? {};
    const parts: { name: string; detail?: string }[] = body === "" ? [] : JSON.parse(body).parts;
    const sinks = parts.filter(({ name }) => name.startsWith("sink."));
    return sinks.length === 5 && sinks.every(({ detail }) => detail !== undefined);
  }, "every sink to say what is wrong");
  for (const page of ["/", "/readyz", "/metrics"]) {
    assertClean(
      page,
      await (await fetch(`${router.url}${page}`, { signal: AbortSignal.timeout(10_000) })).text(),
    );
  }
  await router.stop();
  assertClean("The log", await router.output);

  const checked = await runCommand(["check", "--config", join(folder.path, "events.yaml")]);
  assert.equal(checked.code, 1);
  assertClean("check", checked.stdout + checked.stderr);
});

Deno.test("what ends the router shows no secret", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  const file = join(folder.path, "events.yaml");
  const there = new URL(database.server.connectionString);
  there.password = SECRETS.database;
  there.pathname = "/no_such_database";
  const nowhere = new URL(there);
  nowhere.port = `${freePort()}`;
  for (
    const [command, url] of [["run", there], ["check", there], ["check", nowhere], ["snapshot", nowhere]]
  ) {
    const config = { source: { connectionString: `${url}` }, http: false, eventSinks: unreachable() };
    await Deno.writeTextFile(file, JSON.stringify({ events: { config } }));
    const { code, stdout, stderr } = await runCommand([`${command}`, "--config", file]);
    assert.equal(code, 1, `${command}: ${stderr}`);
    assertClean(`${command}`, stdout + stderr);
  }
});
