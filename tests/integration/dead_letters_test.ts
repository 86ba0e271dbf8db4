import assert from "node:assert/strict";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

Deno.test("while dead letters cannot be written the router is not ready, and their events are not confirmed", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver({ respond: () => 400 });
  await using folder = await TemporaryFolder.make();
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: database.server.connectionString },
    deadLetterFile: "./letters/dead.ndjson",
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url }] },
  });
  await router.untilReadyIs(200);
  const [before] = await database.sql`SELECT pg_current_wal_lsn() AS lsn`;
  await database.sql`INSERT INTO digitaltwins."Twin" (properties)
    VALUES ('{"$dtId": "refused", "$metadata": {"$model": "dtmi:example:Room;1"}}')`;
  await receiver.received(1);
  await router.untilReadyIs(503);
  assert.match((await router.readiness())?.body ?? "", /Cannot write dead letters to '.*dead\.ndjson'/);
  const [slot] = await database
    .sql`SELECT confirmed_flush_lsn <= ${before?.lsn} AS held FROM pg_replication_slots`;
  assert.equal(slot?.held, true);

  await Deno.mkdir(`${folder.path}/letters`);
  await router.untilReadyIs(200);
  await database.untilConfirmed();
  assert.match(await Deno.readTextFile(`${folder.path}/letters/dead.ndjson`), /"refused"/);
  assert.equal(receiver.posts.length, 1);
  assert.equal(await router.stop(), 0);
});
