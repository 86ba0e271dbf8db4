import assert from "node:assert/strict";
import { freePort } from "../../demo/postgres/free_port.ts";
import type { DeliveredEvent } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

const EXPECTED = {
  "fail": ["last"],
  "recreate": ["gap slot_lost", "last"],
  "recreate-and-snapshot": ["gap slot_lost", "last", "there"],
} as const;

for (const [onSlotLost, expected] of Object.entries(EXPECTED)) {
  Deno.test(`another database cluster in the server's place ends the router, which starts there without what it knew of the one before (${onSlotLost})`, async () => {
    await using receiver = new WebhookReceiver();
    await using folder = await TemporaryFolder.make();
    const port = freePort();
    const configuration = {
      source: { connectionString: `postgres://postgres@127.0.0.1:${port}/postgres`, onSlotLost },
      store: { sqlite: "./store.db" },
      eventSinks: { webhook: [{ name: "Hook", url: receiver.url }] },
    };
    const router = await RouterProcess.start(folder.path, configuration);
    try {
      {
        await using before = await TwinDatabase.open({ port });
        await router.untilReadyIs(200);
        // So that what is known of it lies beyond all that the other one will have written.
        await before.sql`SELECT pg_logical_emit_message(false, 'noise', repeat('x', 16000000))`;
        await insert(before, "lost");
        await receiver.received(1);
        await before.untilConfirmed();
      }
      await using after = await TwinDatabase.open({ port });
      await insert(after, "there");
      assert.equal(await router.ended(), 1);
      assert.match(await router.output, /it is another database cluster/);

      const from = receiver.posts.length;
      await using again = await RouterProcess.start(folder.path, configuration);
      await again.untilReadyIs(200);
      await insert(after, "last");
      const told = () => new Set(receiver.posts.slice(from).map(({ body }) => wordOf(JSON.parse(body))));
      await until(
        () => expected.every((word) => told().has(word)),
        () => `${expected}; there are ${[...told()]}`,
      );
      await after.untilConfirmed();
      assert.deepEqual([...told()].sort(), expected);
      assert.equal(await again.stop(), 0);
    } finally {
      await router.kill();
    }
  });
}

function wordOf(
  { type, subject, data }: DeliveredEvent & { readonly data: { readonly reason?: string } },
): string {
  return type.endsWith("Router.Gap") ? `gap ${data.reason}` : subject;
}

async function insert({ sql }: TwinDatabase, id: string): Promise<void> {
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "${id}"}`})`;
}
