import assert from "node:assert/strict";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

/** Outages are soon counted as over, so that the next one is not waited for long. */
const impatient = { settings: { wal_sender_timeout: "1s" } };

Deno.test("connections lost between and during transactions lose nothing, and what is queued is not queued again", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 20_261_124);
  const random = new SeededRandom(seed);
  await using database = await TwinDatabase.open(impatient);
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const archive = `${folder.path}/archive.ndjson`;
  const ledger = new Ledger(database.sql, random);
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: database.server.connectionString },
    queue: { maxEvents: 3 }, // so that it is mostly held up inside of a transaction
    eventSinks: {
      webhook: [{ name: "Hook", url: receiver.url, concurrency: 2 }],
      file: [{ name: "Archive", path: archive }],
    },
  });
  await router.untilReadyIs(200);
  for (let round = 0; round < 6; round++) {
    const gate = Promise.withResolvers<number>();
    const from = receiver.posts.length;
    const held = from + 1 + random.below(20);
    receiver.respond = () => receiver.posts.length < held ? 204 : gate.promise;
    await ledger.write(15);
    await receiver.received(held);
    if (round % 3 === 2) {
      await database.server.stop("immediate");
      await database.server.start();
    } else {
      await database.endStream();
    }
    gate.resolve(204); // what is confirmed from now on comes too late for that connection
    await untilMissed(router, round + 1);
  }
  await database.untilConfirmed();
  assert.equal(await router.stop(), 0);

  const posted = receiver.posts.map((post) => JSON.parse(post.body) as DeliveredEvent);
  const filed = (await Deno.readTextFile(archive)).trimEnd().split("\n")
    .map((line) => JSON.parse(line) as DeliveredEvent);
  for (const [where, events] of [["webhook", posted], ["file", filed]] as const) {
    ledger.verify(events, `${where}, seed ${seed}`);
    assert.equal(
      new Set(events.map(({ id }) => id)).size,
      events.length,
      `${where}: no repeats, seed ${seed}`,
    );
  }
});

Deno.test("a transaction that is cut again and again comes whole, and once", async () => {
  const twins = 4_000;
  await using database = await TwinDatabase.open(impatient);
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  // Most of a row is what does not change, so that far more is to be read than fits between server and router.
  await database.sql`INSERT INTO digitaltwins."Twin" (properties)
    SELECT ('{"$dtId": "twin-' || i || '", "n": 0, "$metadata": {"$model": "dtmi:example:Counter;1"}, "text": "' ||
      repeat('x', 4000) || '"}')::ag_catalog.agtype
    FROM generate_series(1, ${twins}) i`;
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: database.server.connectionString },
    queue: { maxEvents: 50 },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url }] },
  });
  await router.untilReadyIs(200);
  let gate = Promise.withResolvers<number>();
  let held = 300;
  receiver.respond = () => receiver.posts.length < held ? 204 : gate.promise;
  await database.sql`UPDATE digitaltwins."Twin"
    SET properties = replace(properties::text, '"n": 0', '"n": 1')::ag_catalog.agtype`;
  for (let cut = 1; cut <= 2; cut++) {
    await receiver.received(held);
    await database.endStream();
    held = Infinity; // until what had been sent is read, the router does not see that no more comes
    gate.resolve(204);
    await untilMissed(router, cut);
    gate = Promise.withResolvers();
    held = receiver.posts.length + 300;
  }
  held = Infinity;
  gate.resolve(204);
  await database.untilConfirmed();
  assert.equal(await router.stop(), 0);

  const ids = receiver.posts.map((post) => (JSON.parse(post.body) as DeliveredEvent).id);
  assert.equal(new Set(ids).size, twins);
  assert.equal(ids.length, twins, "nothing came twice");
});

/** Resolves once the router has lost its connection so often. */
async function untilMissed(router: RouterProcess, times: number): Promise<void> {
  await until(
    async () => await router.metric("twinrouter_replication_reconnects_total") === times,
    () => `lost connection ${times}`,
  );
}
