import assert from "node:assert/strict";
import { intoHook } from "../support/into_hook.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

const room = (rest: string) => `{"$dtId": "room-1", "$etag": "W/\\"1\\"", ${rest}}`;
const metadata = '"$metadata": {"$model": "dtmi:example:Room;1"}';

for (const version of [15, 18] as const) {
  Deno.test(`twins and relationships of PostgreSQL ${version} arrive as the documented JSON`, async () => {
    await using database = await TwinDatabase.open({ version });
    await using receiver = new WebhookReceiver();
    await using folder = await TemporaryFolder.make();
    const { sql } = database;
    await using router = await RouterProcess.start(folder.path, {
      eventSource: "https://your-adt-instance/",
      ...intoHook(database, receiver),
    });
    await router.untilReadyIs(200);

    const created = room(`"Humidity": 45, ${metadata}, "Temperature": 21.5`);
    const updated = room(`"Humidity": 45, ${metadata}, "Temperature": 22.0`);
    await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${created})`;
    await sql`UPDATE digitaltwins."Twin" SET properties = ${updated}`;
    await sql`INSERT INTO digitaltwins.contains (start_id, end_id, properties) VALUES ('1', '2', ${`{"$sourceId": "floor-1",
      "$targetId": "room-1", "$relationshipId": "rel-1", "$relationshipName": "contains", "since": 1.50::numeric}`})`;
    await sql`UPDATE digitaltwins.contains SET properties = ${`{"$sourceId": "floor-1",
      "$targetId": "room-1", "$relationshipId": "rel-1", "$relationshipName": "contains", "since": 2}`}`;
    await sql`DELETE FROM digitaltwins.contains`;
    await sql`DELETE FROM digitaltwins."Twin"`;
    await receiver.received(6);

    const bodies = receiver.posts.map((post) => post.body);
    const events = bodies.map((body) => JSON.parse(body));
    assert.deepEqual(events.map(({ type, subject }) => `${type} ${subject}`).sort(), [
      "Konnektr.DigitalTwins.Relationship.Create floor-1/relationships/rel-1",
      "Konnektr.DigitalTwins.Relationship.Delete floor-1/relationships/rel-1",
      "Konnektr.DigitalTwins.Relationship.Update floor-1/relationships/rel-1",
      "Konnektr.DigitalTwins.Twin.Create room-1",
      "Konnektr.DigitalTwins.Twin.Delete room-1",
      "Konnektr.DigitalTwins.Twin.Update room-1",
    ]);
    const ofTwin = events.filter(({ subject }) => subject === "room-1").map(({ type }) =>
      type.split(".").at(-1)
    );
    assert.deepEqual(ofTwin, ["Create", "Update", "Delete"], "one twin's events come in order");

    const update = events.find(({ type }) => type.endsWith("Twin.Update"));
    assert.equal(update.specversion, "1.0");
    assert.equal(update.source, "https://your-adt-instance/");
    assert.equal(update.datacontenttype, "application/json");
    assert.match(update.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    assert.match(update.id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(update.data, {
      modelId: "dtmi:example:Room;1",
      patch: [{ op: "replace", path: "/Temperature", value: 22 }],
    });
    const updateBody = bodies.find((body) => body.includes("Twin.Update"));
    assert.match(updateBody ?? "", /"value": ?22\.0\}/, "digits stay as they were written");
    const create = events.find(({ type }) => type.endsWith("Relationship.Create"));
    assert.equal(create.data.$relationshipName, "contains");
    assert.match(bodies.find((body) => body.includes("Relationship.Create")) ?? "", /"since": ?1\.50\}/);
    assert.equal(await router.stop(), 0);
  });
}

Deno.test("an event that was not acknowledged comes again with the same id after kill -9", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver({ respond: () => 503 });
  await using folder = await TemporaryFolder.make();
  const configuration = intoHook(database, receiver);
  const idsOf = (from: number) =>
    receiver.posts.slice(from).map((post) => JSON.parse(post.body).id as string);
  {
    await using router = await RouterProcess.start(folder.path, configuration);
    await router.untilReadyIs(200);
    await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${room(metadata)})`;
    await receiver.received(1);
    await router.kill();
  }
  const [id] = idsOf(0);
  const seen = receiver.posts.length;
  receiver.respond = () => 204;
  await using router = await RouterProcess.start(folder.path, configuration);
  await receiver.received(seen + 1);
  assert.deepEqual([...new Set(idsOf(seen))], [id]);
  await database.sql`UPDATE digitaltwins."Twin" SET properties = ${room(`"n": 1, ${metadata}`)}`;
  await receiver.received((posts) => posts.some(({ body }) => body.includes("Twin.Update")));
  assert.equal(await router.stop("SIGINT"), 0);
});

Deno.test("a stopped router has confirmed what was delivered, and repeats none of it", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const configuration = intoHook(database, receiver);
  {
    await using router = await RouterProcess.start(folder.path, configuration);
    await router.untilReadyIs(200);
    await database.sql`INSERT INTO digitaltwins."Twin" (properties)
      SELECT ('{"$dtId": "room-' || i || '", "$metadata": {"$model": "dtmi:example:Room;1"}}')::ag_catalog.agtype
      FROM generate_series(1, 100) i`;
    await receiver.received(100);
    assert.equal(await router.stop(), 0);
  }
  await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${room(metadata)})`;
  await using router = await RouterProcess.start(folder.path, configuration);
  await receiver.received(101);
  const ids = receiver.posts.map((post) => JSON.parse(post.body).id);
  assert.equal(new Set(ids).size, 101, "nothing came twice");
  assert.equal(await router.stop(), 0);
});
