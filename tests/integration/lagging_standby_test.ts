import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { createdBy } from "../support/counting_writer.ts";
import { freePort } from "../../demo/postgres/free_port.ts";
import { LaggingStandby } from "../support/lagging_standby.ts";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { STANDBY } from "../support/standby_server.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { type ReceivedRequest, WebhookReceiver } from "../support/webhook_receiver.ts";

/** The last twin that the standby hears of. */
const LAST = "last";

for (const [fate, status] of [["parked", 503], ["rejected", 422]] as const) {
  Deno.test(`a standby that lacks the rows of events that were ${fate} has a slot that gives the events again`, async () => {
    const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
    const settings: Record<string, string> = {};
    await using database = await TwinDatabase.open({ version: 18, settings });
    const { server: primary, sql } = database;
    await sql`SELECT pg_create_physical_replication_slot(${STANDBY})`;
    let isBack = false;
    const taken: ReceivedRequest[] = [];
    await using odd = new WebhookReceiver({
      respond(request) {
        if (request.method === "POST" && isBack) taken.push(request);
        return request.method !== "POST" || isBack ? 204 : status;
      },
    });
    await using well = new WebhookReceiver();
    await using folder = await TemporaryFolder.make();
    const port = freePort();
    await using router = await RouterProcess.start(folder.path, {
      source: { connectionString: bothHosts(primary.port, port), walSenderTimeout: "3s" },
      retry: { initial: "50ms", max: "200ms" },
      parking: { parkAfter: "500ms" },
      eventSinks: { webhook: [{ name: "Odd", url: odd.url }, { name: "Well", url: well.url }] },
    });
    await router.untilReadyIs(200);
    Object.assign(settings, { synchronized_standby_slots: STANDBY });
    await using standby = await LaggingStandby.of(database, port);
    await database.untilStoreIsThere();
    const ledger = new Ledger(sql, new SeededRandom(seed));
    const stored = async (
      sql: Sql,
    ) => [...await storedIn(sql, "outbox"), ...await storedIn(sql, "dead_letter_queue")];
    await ledger.write(20);
    await until(async () => (await stored(sql)).length > 0, `events to be ${fate}`);
    await database.untilConfirmed();
    await standby.syncSlot();

    // The standby gets the changes, and not what the router stores of them.
    await sql.begin(async (locking) => {
      await locking`
        LOCK TABLE digitaltwins_eventing.outbox, digitaltwins_eventing.dead_letter_queue IN EXCLUSIVE MODE`;
      await ledger.write(20);
      await insert(sql, LAST);
      await well.received((posts) => eventsOf(posts).some(isLast));
      await standby.holdBack();
    });
    await until(async () => (await stored(sql)).some(isLast), `all to be ${fate}`);
    await database.untilStatusUpdate();
    await standby.sql`SELECT pg_sync_replication_slots()`;
    await standby.takeOver();
    assert(!(await stored(standby.sql)).some(isLast), "the standby lacks what was stored last");

    isBack = fate === "parked";
    const arrived = async () => isBack ? eventsOf(taken) : await storedIn(standby.sql, "dead_letter_queue");
    await until(async () => (await arrived()).some(isLast), "what was stored last to come again");
    await until(async () => (await storedIn(standby.sql, "outbox")).length === 0, "the outbox to be empty");
    assert.equal(await router.stop(), 0);
    const events = await arrived();
    ledger.verify(events.filter((event) => !isLast(event)), `${fate}, seed ${seed}`);
  });
}

Deno.test("a checkpoint ahead of what the new primary has is brought back: what is written there in its place is delivered", async () => {
  await using database = await TwinDatabase.open({ version: 18 });
  const { server: primary, sql } = database;
  await sql`SELECT pg_create_physical_replication_slot(${STANDBY})`;
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const port = freePort();
  const configuration = {
    source: { connectionString: bothHosts(primary.port, port) },
    store: { sqlite: "./store.db" },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url }] },
  };
  const router = await RouterProcess.start(folder.path, configuration);
  try {
    await router.untilReadyIs(200);
    await using standby = await LaggingStandby.of(database, port);
    await insert(sql, "kept");
    await database.untilConfirmed();
    await standby.syncSlot();
    await standby.holdBack();
    const lost = Array.from({ length: 500 }, (_, n) => `lost-${n}`);
    for (const id of lost) await insert(sql, id);
    await receiver.received((posts) => createdBy(eventsOf(posts)).includes("lost-499"));
    assert.equal(await router.stop(), 0); // and so it is kept how far the sink is
    const [wal] = await sql`SELECT pg_current_wal_lsn()::text AS end`;
    await standby.takeOver();
    const fresh = ["fresh-1", "fresh-2", "fresh-3"];
    for (const id of fresh) await insert(standby.sql, id);
    const [overlap] = await standby.sql`SELECT pg_current_wal_lsn() < ${wal?.end}::pg_lsn AS is_there`;
    assert.equal(overlap?.is_there, true, "their positions were those of twins that are lost");

    const before = receiver.posts.length;
    await using again = await RouterProcess.start(folder.path, configuration);
    await receiver.received((posts) => createdBy(eventsOf(posts)).includes("fresh-3"));
    assert.equal(await again.stop(), 0);
    const created = createdBy(eventsOf(receiver.posts.slice(before)));
    assert.deepEqual(created.filter((id) => id !== "kept"), fresh);
  } finally {
    await router.kill();
  }
});

async function storedIn(sql: Sql, table: "outbox" | "dead_letter_queue"): Promise<DeliveredEvent[]> {
  const rows = await sql<{ event: string }[]>`
    SELECT event FROM digitaltwins_eventing.${sql(table)} ORDER BY ${
    sql(table === "outbox" ? "number" : "id")
  }`;
  return rows.map(({ event }) => JSON.parse(event));
}

async function insert(sql: Sql, id: string): Promise<void> {
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "${id}"}`})`;
}

function isLast({ subject }: DeliveredEvent): boolean {
  return subject === LAST;
}

function eventsOf(posts: readonly ReceivedRequest[]): DeliveredEvent[] {
  return posts.map(({ body }) => JSON.parse(body) as DeliveredEvent);
}

function bothHosts(...ports: readonly number[]): string {
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join();
  return `postgres://postgres@${hosts}/postgres?target_session_attrs=read-write`;
}
