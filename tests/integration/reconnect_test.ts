import assert from "node:assert/strict";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

Deno.test("connections lost between and during transactions lose nothing, and what is queued is not queued again", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 20_261_124);
  const random = new SeededRandom(seed);
  await using database = await TwinDatabase.open({ settings: { wal_sender_timeout: "1s" } }); // so that outages are soon over
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
  for (let round = 0; round < 12; round++) {
    const gate = Promise.withResolvers<number>();
    const from = receiver.posts.length;
    const held = from + 1 + random.below(20);
    receiver.respond = () => receiver.posts.length < held ? 204 : gate.promise;
    await ledger.write(15);
    await receiver.received(held);
    if (round % 4 === 3) {
      await database.server.stop("immediate");
      await database.server.start();
    } else {
      await until(async () => {
        const ended = await database.sql`SELECT pg_terminate_backend(active_pid) AS ended
          FROM pg_replication_slots WHERE active`;
        return ended.length > 0;
      }, "a connection to end");
    }
    gate.resolve(204); // what is confirmed from now on comes too late for that connection
    await until(
      async () => await router.metric("twinrouter_replication_reconnects_total") === round + 1,
      "the connection to be missed",
    );
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
