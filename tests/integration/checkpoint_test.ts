import assert from "node:assert/strict";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

const TWINS = 5_000;
const BEFORE = 3_000;

Deno.test("killed in the middle of a long transaction, a router repeats the last second of it and not all", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  const ids = new Set<string>();
  let isHeld = true;
  await using receiver = new WebhookReceiver({
    respond({ method, body }) {
      if (method === "POST" && isHeld && ids.size >= BEFORE) return "hang";
      if (method === "POST") ids.add(JSON.parse(body).id);
      return 204;
    },
  });
  const configuration = {
    source: { connectionString: database.server.connectionString },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url, concurrency: 8 }] },
  };
  const router = await RouterProcess.start(folder.path, configuration);
  try {
    await router.untilReadyIs(200);
    await database.untilStoreIsThere();
    await database.sql`
      INSERT INTO digitaltwins."Twin" (properties)
      SELECT format('{"$dtId": "twin-%s"}', n)::ag_catalog.agtype FROM generate_series(1, ${TWINS}::int) n`;
    await until(() => ids.size >= BEFORE, "most of it to be delivered");
    const [now] = await database.sql`SELECT clock_timestamp()::text AS time`;
    await until(async () => {
      const saved = await database.sql`
        SELECT FROM digitaltwins_eventing.checkpoints WHERE saved_at > ${now?.time}::timestamptz`;
      return saved.length > 0;
    }, "it to be kept how far it is");
  } finally {
    await router.kill();
  }
  const before = receiver.posts.length;
  isHeld = false;
  await using again = await RouterProcess.start(folder.path, configuration);
  await until(() => ids.size >= TWINS, "the rest");
  await database.untilConfirmed();
  const after = receiver.posts.length - before;
  assert(
    after <= TWINS - BEFORE + 50,
    `${after} came after the restart, of which ${TWINS - BEFORE} were new`,
  );
  assert.equal(await again.stop(), 0);

  await using third = await RouterProcess.start(folder.path, configuration);
  await third.untilReadyIs(200);
  await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "last"}')`;
  await database.untilConfirmed();
  assert.equal(receiver.posts.length, before + after + 1);
  assert.equal(await third.stop(), 0);
});
