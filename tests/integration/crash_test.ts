import assert from "node:assert/strict";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

Deno.test("kill -9 between and during transactions loses nothing and keeps ids and order", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 20_261_123);
  const random = new SeededRandom(seed);
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver({
    // Some answers fail, so that retries are under way when the router dies.
    respond: () => random.below(20) === 0 ? 503 : 204,
  });
  await using folder = await TemporaryFolder.make();
  const archive = `${folder.path}/archive.ndjson`;
  const configuration = {
    source: { connectionString: database.server.connectionString },
    retry: { initial: "10ms", max: "100ms" },
    eventSinks: {
      webhook: [{ name: "Hook", url: receiver.url, concurrency: 4 }],
      file: [{ name: "Archive", path: archive }],
    },
  };
  const ledger = new Ledger(database.sql, random);

  let router = await RouterProcess.start(folder.path, configuration);
  try {
    await router.untilReadyIs(200); // The slot is there: from now on every commit counts.
    for (let round = 0; round < 8; round++) {
      const posts = receiver.posts.length;
      const writing = ledger.write(40);
      if (round % 2 === 0) await receiver.received(posts + 1 + random.below(40)); // in the middle of it
      else await writing;
      await router.kill();
      await writing;
      router = await RouterProcess.start(folder.path, configuration);
    }
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);
  } finally {
    await router.kill();
  }

  // An answer of 503 means that the webhook did not take the event; it comes again later.
  const posted = receiver.posts.map((post) => JSON.parse(post.body) as DeliveredEvent);
  const filed = (await Deno.readTextFile(archive)).trimEnd().split("\n")
    .map((line) => JSON.parse(line) as DeliveredEvent);
  ledger.verify(posted, `webhook, seed ${seed}`);
  ledger.verify(filed, `file, seed ${seed}`);
});
