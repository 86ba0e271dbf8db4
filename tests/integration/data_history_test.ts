import assert from "node:assert/strict";
import { addReader } from "../support/add_reader.ts";
import { intoHook } from "../support/into_hook.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

function model(id: string, schema: string): string {
  const contents = [{ "@type": "Property", name: "T", schema }];
  return JSON.stringify({ id, model: { "@id": id, "@type": "Interface", contents } });
}

function twin(T: string, $model: string, more = ""): string {
  return `{"$dtId": "a", "T": ${T}, "$metadata": {"$model": "${$model}"${more}}}`;
}

Deno.test("the history knows the models that were there before it, and those that come and go meanwhile", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  await sql`INSERT INTO digitaltwins."Model" (properties) VALUES (${model("dtmi:before;1", "double")})`;
  await using router = await RouterProcess.start(folder.path, {
    eventSource: "https://twins.example/{graph}",
    trackLastUpdatedBy: true,
    ...intoHook(database, receiver),
    eventRoutes: [{ sinkName: "Hook", eventFormat: "DataHistory" }],
  });
  await router.untilReadyIs(200);
  const write = (properties: string) => sql`UPDATE digitaltwins."Twin" SET properties = ${properties}`;
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${twin("22", "dtmi:before;1")})`;
  await write(twin("22.5", "dtmi:before;1"));
  await write(twin("22", "dtmi:before;1", ', "T": {"lastUpdatedBy": "ann", "sourceTime": "s1"}'));
  await sql`INSERT INTO digitaltwins."Model" (properties) VALUES (${model("dtmi:later;1", "long")})`;
  await write(twin("23", "dtmi:later;1"));
  await sql`DELETE FROM digitaltwins."Model"`;
  await write(twin("24", "dtmi:later;1"));
  await sql`DELETE FROM digitaltwins."Twin"`;
  await receiver.received(8);

  const events = receiver.posts.map(({ body }) => JSON.parse(body));
  assert.deepEqual(
    events.map(({ type, subject, data }) => {
      assert.equal(subject, "a");
      assert.equal(data.serviceId, "https://twins.example/digitaltwins");
      return type.endsWith("Twin.Lifecycle")
        ? `${data.action} ${data.modelId}`
        : `${data.operation} ${data.propertyValue} ${data.propertyType} ${data.sourceTimeStamp} ${data.updatedBy}`;
    }),
    [
      "Create dtmi:before;1",
      "Add 22 double undefined undefined",
      "Replace 22.5 double undefined undefined",
      "Replace 22 double s1 ann",
      "Update dtmi:later;1",
      "Replace 23 long undefined undefined",
      "Replace 24 integer undefined undefined",
      "Delete dtmi:later;1",
    ],
  );
  assert.equal(await router.stop(), 0);
});

Deno.test("without the right to read the models the history goes on, and says so once", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  await sql`INSERT INTO digitaltwins."Model" (properties) VALUES (${model("dtmi:before;1", "double")})`;
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: await addReader(database) },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url }] },
    eventRoutes: [{ sinkName: "Hook", eventFormat: "DataHistory" }],
  });
  await router.untilReadyIs(200);
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${twin("22", "dtmi:before;1")})`;
  await receiver.received(2);
  await database.endStream();
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${twin("22", "dtmi:before;1")})`;
  await receiver.received(4);
  assert.equal(JSON.parse(receiver.posts[1]?.body ?? "").data.propertyType, "integer");
  assert.equal(await router.stop(), 0);
  assert.equal((await router.output).match(/Cannot read digitaltwins\.Model/g)?.length, 1);
});
