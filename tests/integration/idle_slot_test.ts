import assert from "node:assert/strict";
import postgres from "postgres";
import { intoHook } from "../support/into_hook.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

const MOST_RETAINED = 2_000_000;

for (const version of [15, 18] as const) {
  for (const where of ["another database", "another schema"] as const) {
    Deno.test(`PostgreSQL ${version}: while ${where} writes much and the graph nothing, the slot keeps no WAL, without any heartbeat`, async () => {
      await using database = await TwinDatabase.open({ version });
      await using receiver = new WebhookReceiver();
      await using folder = await TemporaryFolder.make();
      await using router = await RouterProcess.start(folder.path, intoHook(database, receiver));
      await router.untilReadyIs(200);
      if (where === "another database") await database.sql`CREATE DATABASE busy`;
      const path = where === "another database" ? "busy" : "postgres";
      const busy = postgres(database.server.connectionString.replace(/postgres$/, path), {
        max: 1,
        onnotice: () => {},
      });
      try {
        await busy`CREATE TABLE noise (text text)`;
        for (let round = 0; round < 5; round++) {
          await busy`INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 8000)`;
          await busy`CHECKPOINT`; // which notes that no transaction runs, as PostgreSQL does by itself every 15 s
          let retained = Infinity;
          await until(async () => {
            const [row] = await database.sql<{ bytes: number }[]>`
              SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 AS bytes
              FROM pg_replication_slots`;
            retained = row?.bytes ?? Infinity;
            return retained < MOST_RETAINED;
          }, () => `${retained} bytes of WAL to become less than ${MOST_RETAINED}, in round ${round}`);
        }
      } finally {
        await busy.end({ timeout: 1 });
      }
      assert.equal(receiver.posts.length, 0);
      assert.equal(await router.stop(), 0);
    });
  }
}
