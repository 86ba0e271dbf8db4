import assert from "node:assert/strict";
import { KustoFarEnd } from "../support/kusto_far_end.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { withAzurite } from "../support/with_azurite.ts";

await withAzurite("a router from PostgreSQL to Kusto", (azurite) => {
  Deno.test("a change of a twin in PostgreSQL becomes rows in Kusto, without a route that says so", async () => {
    await using database = await TwinDatabase.open();
    await using farEnd = await KustoFarEnd.start(azurite());
    await using folder = await TemporaryFolder.make();
    const { service } = farEnd;
    await using router = await RouterProcess.start(folder.path, {
      source: { connectionString: database.server.connectionString },
      eventSinks: { kusto: [{ name: "Adx", ...service.options, maxBatchAge: "100ms" }] },
    });
    await router.untilReadyIs(200);
    await database.sql`INSERT INTO digitaltwins."Twin" (properties)
      VALUES ('{"$dtId": "room", "$metadata": {"$model": "dtmi:example:Room;1"}, "size": 22.5}')`;
    await until(
      async () => (await service.values("AdtPropertyEvents")).length > 0,
      "a row of the twin's property",
    );
    const [twin] = await service.values("AdtTwinLifeCycleEvents");
    const [property] = await service.values("AdtPropertyEvents");
    assert.deepEqual([twin?.TwinId, twin?.Action, twin?.ModelId], ["room", "Create", "dtmi:example:Room;1"]);
    assert.deepEqual([property?.Id, property?.Key, property?.Value, property?.Action], [
      "room",
      "size",
      22.5,
      "Create",
    ]);
    assert.equal(property?.TimeStamp, twin?.TimeStamp);
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);
  });
});
