import assert from "node:assert/strict";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

Deno.test("one change reaches each sink under the names and in the shape that its routes ask for", async () => {
  await using database = await TwinDatabase.open();
  await using plain = new WebhookReceiver();
  await using adt = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  await using router = await RouterProcess.start(folder.path, {
    eventSource: "https://my-twins.api.weu.digitaltwins.azure.net/",
    source: { connectionString: database.server.connectionString },
    eventSinks: {
      webhook: [
        {
          name: "Plain",
          url: plain.url,
          typeMappings: { TwinCreate: "Contoso.Made", TwinUpdate: "Contoso.Any" },
        },
        { name: "Adt", url: adt.url, typeMappings: "adt" },
      ],
    },
    eventRoutes: [
      { sinkName: "Plain", typeMappings: { TwinUpdate: "Contoso.Changed" } },
      {
        sinkName: "Adt",
        filter: "type = 'Microsoft.DigitalTwins.Twin.Update' AND $body.patch.op = 'replace'",
      },
      { sinkName: "Adt", filter: "type = 'Contoso.Gone'", typeMappings: { TwinDelete: "Contoso.Gone" } },
      { sinkName: "Adt", eventFormat: "Telemetry", filter: "subject = 'lamp'" },
    ],
  });
  await router.untilReadyIs(200);
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "a", "T": 1.0}')`;
  await sql`UPDATE digitaltwins."Twin" SET properties = '{"$dtId": "a", "T": 2.0}'`;
  for (const componentName of ["heater", "lamp"]) {
    const payload = {
      digitalTwinId: "a",
      messageId: componentName,
      graphName: "digitaltwins",
      componentName,
    };
    await sql`SELECT pg_logical_emit_message(true, 'digitaltwins_telemetry', ${JSON.stringify(payload)})`;
  }
  await sql`DELETE FROM digitaltwins."Twin"`;
  await plain.received(3);
  await adt.received(3);
  await database.untilConfirmed();

  const plainEvents = plain.posts.map(({ body }) => JSON.parse(body));
  const adtEvents = adt.posts.map(({ body }) => JSON.parse(body));
  assert.deepEqual(plainEvents.map(({ type, source }) => [type, source]), [
    ["Contoso.Made", "https://my-twins.api.weu.digitaltwins.azure.net/"],
    ["Contoso.Changed", "https://my-twins.api.weu.digitaltwins.azure.net/"],
    ["Konnektr.DigitalTwins.Twin.Delete", "https://my-twins.api.weu.digitaltwins.azure.net/"],
  ]);
  const [, updated, deleted] = plainEvents;
  const source = "my-twins.api.weu.digitaltwins.azure.net";
  assert.deepEqual(adtEvents.map(({ id, type, source, subject }) => [id, type, source, subject]), [
    [updated.id, "Microsoft.DigitalTwins.Twin.Update", source, "a"],
    ["lamp", "microsoft.iot.telemetry", `${source}/digitaltwins/a`, "lamp"],
    [deleted.id, "Contoso.Gone", source, "a"],
  ]);
  assert.equal(adtEvents[0].time, updated.time.replace("Z", "0Z"));
  assert.deepEqual(adtEvents[0].data, updated.data);
  assert.equal(await router.stop(), 0);
});
