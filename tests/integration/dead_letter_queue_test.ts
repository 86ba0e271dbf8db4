import assert from "node:assert/strict";
import { join } from "node:path";
import { addReader } from "../support/add_reader.ts";
import { intoHook } from "../support/into_hook.ts";
import { RouterProcess } from "../support/router_process.ts";
import { type CommandResult, runCommand } from "../support/run_command.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

for (const place of ["postgres", "sqlite"]) {
  Deno.test(`a poisoned event among 10,000 is a dead letter, the others are delivered, and so is it once it may be (${place})`, async () => {
    await using database = await TwinDatabase.open();
    await using folder = await TemporaryFolder.make();
    let isRefused = true;
    await using receiver = new WebhookReceiver({
      respond: ({ body }) => isRefused && body.includes('"subject":"twin-4711"') ? 422 : 204,
    });
    await using router = await RouterProcess.start(folder.path, {
      source: { connectionString: database.server.connectionString },
      ...(place === "sqlite" && { store: { sqlite: "./store.db" } }),
      queue: { maxEvents: 20_000 },
      eventSinks: { webhook: [{ name: "Hook", url: receiver.url, concurrency: 32 }] },
    });
    await router.untilReadyIs(200);
    await database.sql`
      INSERT INTO digitaltwins."Twin" (properties)
      SELECT format('{"$dtId": "twin-%s", "level": 22.0}', n)::ag_catalog.agtype FROM generate_series(1, 10000) n`;
    await receiver.received(10_000);
    await database.untilConfirmed();
    assert.equal(await router.metric('twinrouter_sink_connected{sink="Hook"}'), 1);

    const dlq = (...args: string[]): Promise<CommandResult> =>
      runCommand(["dlq", ...args, "--config", join(folder.path, "events.yaml")]);
    const listed = await dlq("list", "--sink", "Hook");
    assert.match(listed.stdout, /^ID +SINK .*\n\d+ +Hook +\S+Twin\.Create +twin-4711 +1 .* pending .*422/);
    assert.equal(listed.stdout.trim().split("\n").length, 2, "the others are delivered");
    const { event, graph, reason, sink, route } = JSON.parse((await dlq("list", "--json")).stdout);
    assert.deepEqual(
      [sink, route, graph, event.subject],
      ["Hook", "Hook/EventNotification", "digitaltwins", "twin-4711"],
    );
    assert.match(reason, /422/);
    assert.match((await dlq("show")).stdout, /^Dead letter \d+\n[^]*rejected: [^]*"level": 22\.0/);
    assert.equal((await dlq("list", "--since", "2999-01-01")).stdout, "No dead letters\n");
    assert.equal((await dlq("list", "--filter", "subject = 'twin-1'")).stdout, "No dead letters\n");

    isRefused = false;
    const { length } = receiver.posts;
    assert.equal((await dlq("replay")).code, 2, "not all of them by mistake");
    const replayed = await dlq("replay", "--filter", "subject = 'twin-4711'");
    assert.equal(replayed.stdout, "1 dead letter to be tried again by the running router\n", replayed.stderr);
    await receiver.received(length + 1);
    const again = JSON.parse(receiver.posts[length]?.body ?? "");
    assert.deepEqual(again, event, "with its id");
    await until(async () => (await dlq("list")).stdout === "No dead letters\n", "the letter to be gone");
    const ids = new Set(receiver.posts.map(({ body }) => JSON.parse(body).id));
    assert.equal(ids.size, 10_000);
    assert.equal(await router.metric('twinrouter_changes_total{entity="twin",action="create"}'), 10_000);
    assert.equal(await router.stop(), 0);
  });
}

Deno.test("dead letters can be dropped, and their table never makes events", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await using receiver = new WebhookReceiver({ respond: () => 400 });
  await database.sql.unsafe(`
    ALTER TABLE digitaltwins."Twin" REPLICA IDENTITY FULL; CREATE PUBLICATION age_pub FOR ALL TABLES`);
  await using router = await RouterProcess.start(folder.path, intoHook(database, receiver));
  await router.untilReadyIs(200);
  for (let n = 0; n < 3; n++) {
    await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "twin-${n}"}`})`;
  }
  await receiver.received(3);
  await database.untilConfirmed();
  const dlq = (...args: string[]) =>
    runCommand(["dlq", ...args, "--config", join(folder.path, "events.yaml")]);
  const [, first] = (await dlq("list")).stdout.split("\n");
  assert.equal((await dlq("drop", `${parseInt(first ?? "")}`)).stdout, "1 dead letter dropped\n");
  assert.equal((await dlq("drop", "--all", "--json")).stdout, '{"dropped":2}\n');
  await database.untilConfirmed();
  assert.equal(receiver.posts.length, 3);
  assert.equal(await router.stop(), 0);
});

Deno.test("where the role may keep no store, check says what to run, and a file does instead", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  const connectionString = await addReader(database);
  const checked = async (more: Readonly<Record<string, unknown>>) => {
    const file = join(folder.path, "events.yaml");
    const config = {
      source: { connectionString },
      eventSinks: { console: [{ name: "C" }] },
      ...more,
    };
    await Deno.writeTextFile(file, JSON.stringify({ events: { config } }));
    return await runCommand(["check", "--config", file]);
  };
  const refused = await checked({});
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^problem: Cannot keep dead letters [^]*CREATE SCHEMA[^]*GRANT [^]* TO "?reader"?;/m,
  );
  const warned = await checked({ deadLetterFile: "./dead.ndjson" });
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stderr, /^warning: Cannot keep dead letters/m);
  const elsewhere = await checked({ store: { sqlite: "./store.db" } });
  assert.equal(elsewhere.code, 0, elsewhere.stderr);
  assert.doesNotMatch(elsewhere.stderr, /dead letters/);
});
