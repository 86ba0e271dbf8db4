import assert from "node:assert/strict";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { type ReceivedRequest, WebhookReceiver } from "../support/webhook_receiver.ts";

Deno.test("kill -9 between and during transactions loses nothing and keeps ids and order", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 20_261_123);
  const random = new SeededRandom(seed);
  await using database = await TwinDatabase.open({ settings: { wal_sender_timeout: "1s" } });
  const taken: ReceivedRequest[] = [];
  /** Some answers fail, so that retries are under way when the router dies. */
  const respond = (request: ReceivedRequest) => {
    if (request.method === "POST" && random.below(20) === 0) return 503;
    if (request.method === "POST") taken.push(request);
    return 204;
  };
  await using receiver = new WebhookReceiver({ respond });
  await using folder = await TemporaryFolder.make();
  const archive = `${folder.path}/archive.ndjson`;
  const configuration = {
    source: { connectionString: database.server.connectionString },
    queue: { maxEvents: 2 }, // so that it is mostly held up inside of a transaction
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
      const held = receiver.posts.length + 1 + random.below(30);
      const inTheMiddle = round % 2 === 0;
      if (inTheMiddle) {
        receiver.respond = (request) => receiver.posts.length < held ? respond(request) : "hang";
      }
      await ledger.write(40);
      if (inTheMiddle) {
        await receiver.received(held);
        await database.untilStatusUpdate(); // Whatever it would confirm by mistake, it has confirmed.
      }
      await router.kill();
      receiver.respond = respond;
      router = await RouterProcess.start(folder.path, configuration);
    }
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);
  } finally {
    await router.kill();
  }

  const posted = taken.map((post) => JSON.parse(post.body) as DeliveredEvent);
  const filed = (await Deno.readTextFile(archive)).trimEnd().split("\n")
    .map((line) => JSON.parse(line) as DeliveredEvent);
  ledger.verify(posted, `webhook, seed ${seed}`);
  ledger.verify(filed, `file, seed ${seed}`);
});
