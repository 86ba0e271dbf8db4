import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "../../demo/postgres/free_port.ts";
import { type CommandResult, runCommand } from "../support/run_command.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

/** What `check` says of a configuration file in the folder. */
async function checked(folder: TemporaryFolder, text: string): Promise<CommandResult> {
  const file = join(folder.path, "events.yaml");
  await Deno.writeTextFile(file, text);
  return await runCommand(["check", "--config", file]);
}

Deno.test("check says that all is well, and leaves nothing behind", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const { code, stdout, stderr } = await checked(
    folder,
    `events:
  config:
    source: { connectionString: "${database.server.connectionString}" }
    eventSinks:
      webhook: [{ name: Hook, url: "${receiver.url}" }]
`,
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /No problems/);
  assert.deepEqual(receiver.posts, [], "no event was sent");
  const slots = await database.sql`SELECT slot_name FROM pg_replication_slots`;
  const publications = await database.sql`SELECT pubname FROM pg_publication`;
  assert.deepEqual([...slots, ...publications], []);
});

Deno.test("check reports five mistakes at once, each with its line", async () => {
  await using folder = await TemporaryFolder.make();
  const { code, stderr } = await checked(
    folder,
    `events:
  config:
    maxBatchSizes: 50
    source:
      connectionString: postgres://u:hunter2@127.0.0.1:notaport/db
    shutdownTimeout: soon
    eventSinks:
      webhook: [{ name: Hook, url: ftp://example.com }]
    eventRoutes:
      - { sinkName: Hok, eventFormat: EventNotification }
`,
  );
  assert.equal(code, 1);
  for (const line of [3, 5, 6, 8, 10]) {
    assert.match(stderr, new RegExp(`events\\.yaml:${line}:`), `line ${line}`);
  }
  assert.match(stderr, /maxBatchSize\b/, "a suggestion for the unknown key");
  assert.doesNotMatch(stderr, /hunter2/);
});

Deno.test("check says what to set where wal_level is replica, and which sink and file are out of reach", async () => {
  await using database = await TwinDatabase.open({ settings: { wal_level: "replica" } });
  await using folder = await TemporaryFolder.make();
  const { code, stderr } = await checked(
    folder,
    `events:
  config:
    source: { connectionString: "${database.server.connectionString}" }
    deadLetterFile: missing/dead-letters.ndjson
    eventSinks:
      console: [{ name: Screen }]
      webhook: [{ name: Hook, url: "http://127.0.0.1:${freePort()}/" }]
    eventRoutes: [{ sinkName: Hook, eventFormat: EventNotification }]
`,
  );
  assert.equal(code, 1);
  assert.match(stderr, /wal_level = logical/);
  assert.match(stderr, /^problem: Sink Hook: Cannot reach /m);
  assert.match(stderr, /^problem: Cannot write dead letters to '.*missing/m);
  assert.match(stderr, /^warning: Sink Screen: no route leads to it/m);
});

Deno.test("wrong use of the command line ends with 2, a missing configuration with 1", async () => {
  const unknown = await runCommand(["run", "--confg", "x"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /^Unknown option '--confg'\n/);
  const foreign = await runCommand(["run", "--for", "10s"]);
  assert.equal(foreign.code, 2);
  assert.match(foreign.stderr, /^run has no option '--for'\n/);
  assert.equal((await runCommand(["fly"])).code, 2);
  const missing = await runCommand(["run", "--config", "/nowhere/events.yaml"]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /\/nowhere\/events\.yaml/);
  const help = await runCommand(["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /twinrouter/);
  assert.match((await runCommand(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
});
