import assert from "node:assert/strict";
import { intoHook } from "../support/into_hook.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

Deno.test("/readyz turns 503 within 15 s of a frozen PostgreSQL, and 200 by itself", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  await using router = await RouterProcess.start(folder.path, intoHook(database, receiver));
  await router.untilReadyIs(200);
  await database.server.kill("SIGSTOP");
  try {
    await router.untilReadyIs(503, 15_000);
  } finally {
    await database.server.kill("SIGCONT");
  }
  await router.untilReadyIs(200);
  await database.sql`INSERT INTO digitaltwins."Twin" (properties)
    VALUES ('{"$dtId": "after", "$metadata": {"$model": "dtmi:example:Room;1"}}')`;
  await receiver.received(1);
  assert.equal(await router.stop(), 0);
});

Deno.test("a restarted PostgreSQL is found again, and what was written meanwhile arrives", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  await using router = await RouterProcess.start(folder.path, intoHook(database, receiver));
  await router.untilReadyIs(200);
  await database.server.stop("immediate");
  await router.untilReadyIs(503);
  await database.server.start();
  await database.sql`INSERT INTO digitaltwins."Twin" (properties)
    VALUES ('{"$dtId": "after", "$metadata": {"$model": "dtmi:example:Room;1"}}')`;
  await receiver.received(1);
  await router.untilReadyIs(200);
  assert.equal(await router.stop(), 0);
});
