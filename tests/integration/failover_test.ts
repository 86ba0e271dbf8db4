import assert from "node:assert/strict";
import postgres, { type Sql } from "postgres";
import type { DeliveredEvent } from "../support/ledger.ts";
import { freePort } from "../support/free_port.ts";
import { RouterProcess } from "../support/router_process.ts";
import { STANDBY, StandbyServer } from "../support/standby_server.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

/** Makes twin after twin, and counts them in another one, until the server is gone or somebody stops it. */
class Writer {
  /** Twins whose commit was acknowledged. */
  readonly acknowledged: string[] = [];
  #next = 1;

  async write(sql: Sql, stop: () => boolean): Promise<void> {
    while (!stop()) {
      const n = this.#next++;
      const id = `twin-${n}`;
      try {
        await sql.begin(async (sql) => {
          await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${bodyOf(id, n)})`;
          await sql`UPDATE digitaltwins."Twin" SET properties = ${bodyOf("counter", n)}
            WHERE properties::text LIKE '%"$dtId": "counter"%'`;
        });
      } catch {
        return; // and whether it was committed, nobody has said
      }
      this.acknowledged.push(id);
    }
  }
}

function bodyOf(id: string, n: number): string {
  return `{"n": ${n}, "$dtId": "${id}", "$metadata": {"$model": "dtmi:example:Counter;1"}}`;
}

Deno.test("a primary that dies under load is followed by its standby: nothing is lost, and what comes again has its id", async () => {
  const settings: Record<string, string> = {};
  await using database = await TwinDatabase.open({ version: 18, settings });
  const primary = database.server;
  await database.sql`SELECT pg_create_physical_replication_slot(${STANDBY})`;
  await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${bodyOf("counter", 0)})`;
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const standbyPort = freePort();
  const hosts = `127.0.0.1:${primary.port},127.0.0.1:${standbyPort}`;
  await using router = await RouterProcess.start(folder.path, {
    source: {
      connectionString: `postgres://postgres@${hosts}/postgres?target_session_attrs=read-write`,
    },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url }] },
  });
  await router.untilReadyIs(200);
  // A standby that finds the slot when it begins has it soon; else it may look 30 s later.
  Object.assign(settings, { synchronous_standby_names: STANDBY, synchronized_standby_slots: STANDBY });
  await using standby = await StandbyServer.of(primary, standbyPort);
  const second = postgres(standby.server.connectionString, { max: 1, onnotice: () => {} });
  await using _second = { [Symbol.asyncDispose]: () => second.end({ timeout: 1 }) };
  await router.untilReadyIs(200);

  const writer = new Writer();
  const first = postgres(primary.connectionString, { max: 1, onnotice: () => {} });
  let hasEnough = false;
  const writing = writer.write(first, () => hasEnough);
  await until(async () => {
    // A slot begins to be kept where the server has noted which transactions run, which it does every 15 s.
    await database.sql`SELECT pg_log_standby_snapshot()`;
    const slots = await second`SELECT FROM pg_replication_slots WHERE synced AND NOT temporary`;
    return slots.length > 0 && writer.acknowledged.length > 200;
  }, "the slot on the standby, and some load");
  await primary.kill("SIGKILL");
  await writing;
  await first.end({ timeout: 1 });
  const before = writer.acknowledged.length;
  await second`SELECT pg_promote()`;
  const goingOn = writer.write(second, () => hasEnough);
  await until(() => writer.acknowledged.length > before + 200, "writes on the new primary", 60_000);
  hasEnough = true;
  await goingOn;

  const rows = await second<{ id: string }[]>`
    SELECT properties::text::jsonb ->> '$dtId' AS id FROM digitaltwins."Twin"`;
  const present = new Set(rows.map(({ id }) => id));
  for (const id of writer.acknowledged) assert(present.has(id), `${id} was acknowledged, and is there`);
  present.delete("counter");
  const created = () => {
    const events = receiver.posts.map((post) => JSON.parse(post.body) as DeliveredEvent);
    return new Set(events.filter(({ type }) => type.endsWith("Twin.Create")).map(({ subject }) => subject));
  };
  await until(
    () => present.size === created().size,
    () => `${present.size} twins; there are ${created().size}`,
  );
  assert.equal(await router.stop(), 0);

  const firsts = new Map<string, DeliveredEvent>();
  for (const { body } of receiver.posts) {
    const event = JSON.parse(body) as DeliveredEvent;
    assert.deepEqual(firsts.get(event.id) ?? event, event, "what comes again is what came first");
    firsts.set(event.id, event);
  }
  const all = [...firsts.values()];
  const creates = all.filter(({ type }) => type.endsWith("Twin.Create")).map(({ subject }) => subject);
  assert.deepEqual(creates.toSorted(), [...present].sort(), "every twin once, and no other");
  const counts = all.filter(({ type }) => type.endsWith("Twin.Update"))
    .map(({ data }) => `twin-${data.patch?.find(({ path }) => path === "/n")?.value}`);
  const inOrder = [...present].sort((a, b) =>
    Number(a.slice("twin-".length)) - Number(b.slice("twin-".length))
  );
  assert.deepEqual(counts, inOrder, "and the counter tells of each, in order");
});
