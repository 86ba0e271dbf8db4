import assert from "node:assert/strict";
import { intoHook } from "../support/into_hook.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

Deno.test("IS_OF_MODEL knows who extends whom, and follows models as they come", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  const putModel = (id: string, base: string) =>
    sql`INSERT INTO digitaltwins."Model" (properties) VALUES (${
      JSON.stringify({ id, model: { "@id": id, "@type": "Interface", extends: base } })
    })`;
  const putTwin = (id: string, model: string) =>
    sql`INSERT INTO digitaltwins."Twin" (properties)
      VALUES (${JSON.stringify({ $dtId: id, $metadata: { $model: model } })})`;
  await putModel("dtmi:office;1", "dtmi:room;1");
  await using router = await RouterProcess.start(folder.path, {
    ...intoHook(database, receiver),
    eventRoutes: [{ sinkName: "Hook", filter: "IS_OF_MODEL('dtmi:room;1')" }],
  });
  await router.untilReadyIs(200);
  await putTwin("office", "dtmi:office;1");
  await putTwin("lab before its model", "dtmi:lab;1");
  await putModel("dtmi:lab;1", "dtmi:office;1");
  await putTwin("lab", "dtmi:lab;1");
  await putTwin("room", "dtmi:room;1");
  await receiver.received(3);
  await database.untilConfirmed();
  assert.deepEqual(receiver.posts.map(({ body }) => JSON.parse(body).subject).sort(), [
    "lab",
    "office",
    "room",
  ]);
  assert.equal(await router.stop(), 0);
});
