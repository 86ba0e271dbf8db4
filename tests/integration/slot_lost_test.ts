import assert from "node:assert/strict";
import type { DeliveredEvent } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

/** PostgreSQL counts the WAL of a slot in files of 1 MB, so that one is soon given up. */
const STINGY = { max_slot_wal_keep_size: "1MB", min_wal_size: "32MB", max_wal_size: "32MB" };

interface Gap {
  readonly reason: string;
  readonly graph: string;
  readonly from: string;
  readonly to: string;
}

interface Arrived {
  readonly twins: readonly string[];
  readonly gaps: readonly Gap[];
}

function arrivedAt(receiver: WebhookReceiver): Arrived {
  const events = receiver.posts.map(({ body }) => JSON.parse(body) as DeliveredEvent & { data: unknown });
  return {
    twins: events.filter(({ type }) => type.endsWith("Twin.Create")).map(({ subject }) => subject),
    gaps: events.filter(({ type }) => type.endsWith("Router.Gap")).map(({ data }) => data as unknown as Gap),
  };
}

/** Resolves once all of these stand in what was posted, after the first `from` posts. */
async function untilPosted(receiver: WebhookReceiver, words: readonly string[], from = 0): Promise<void> {
  const missing = () => {
    const text = receiver.posts.slice(from).map(({ body }) => body).join();
    return words.filter((word) => !text.includes(word));
  };
  await until(() => missing().length === 0, () => missing().join());
}

async function insert({ sql }: TwinDatabase, id: string): Promise<void> {
  await sql`INSERT INTO digitaltwins."Twin" (properties)
    VALUES (${`{"$dtId": "${id}", "$metadata": {"$model": "dtmi:example:Room;1"}}`})`;
}

/** Stops the router once a last twin has arrived, and gives all that has. */
async function arrivedUpToLast(
  database: TwinDatabase,
  receiver: WebhookReceiver,
  router: RouterProcess,
): Promise<Arrived> {
  await insert(database, "last");
  await untilPosted(receiver, ['"last"']);
  assert.equal(await router.stop(), 0);
  return arrivedAt(receiver);
}

async function slotOf({ sql }: TwinDatabase): Promise<{ confirmed: string; status: string } | undefined> {
  const [row] = await sql<{ confirmed: string; status: string }[]>`
    SELECT confirmed_flush_lsn::text AS confirmed, wal_status AS status FROM pg_replication_slots`;
  return row;
}

/** Writes WAL that concerns nobody, until the slot is lost. */
async function loseSlot(database: TwinDatabase): Promise<void> {
  const { sql } = database;
  await until(async () => {
    await sql`SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'noise', repeat('x', 1000000))`;
    await sql`CHECKPOINT`;
    const slot = await slotOf(database);
    return slot === undefined || slot.status === "lost";
  }, "the slot to be given up");
}

function configuration(database: TwinDatabase, receiver: WebhookReceiver, onSlotLost: string) {
  return {
    source: { connectionString: database.server.connectionString, walSenderTimeout: "1s", onSlotLost },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url, concurrency: 1 }] },
  };
}

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: a slot that is lost under way is made anew: what waits is delivered, then the gap is told, then what follows`, async () => {
    await using database = await TwinDatabase.open({ version, settings: STINGY });
    await using receiver = new WebhookReceiver();
    await using folder = await TemporaryFolder.make();
    await using router = await RouterProcess.start(
      folder.path,
      configuration(database, receiver, "recreate"),
    );
    await router.untilReadyIs(200);
    await insert(database, "first");
    await receiver.received(1);
    await database.untilConfirmed();
    const before = await slotOf(database);
    const gate = Promise.withResolvers<number>();
    receiver.respond = () => gate.promise;
    for (const id of ["held-1", "held-2", "held-3"]) await insert(database, id);
    await receiver.received(2);
    await until(
      async () => await router.metric('twinrouter_queue_events{sink="Hook"}') === 3,
      "all that waits for the sink",
    );
    await Promise.all([loseSlot(database), router.untilReadyIs(503)]);
    await router.untilReadyIs(200);
    receiver.respond = () => 204;
    gate.resolve(204);
    await insert(database, "last");
    await untilPosted(receiver, ['"last"']);
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);

    const { twins, gaps } = arrivedAt(receiver);
    assert.deepEqual(twins, ["first", "held-1", "held-2", "held-3", "last"]);
    const [gap, ...others] = gaps;
    assert.deepEqual(others, []);
    assert.equal(gap?.reason, "slot_lost");
    assert.equal(gap?.graph, "digitaltwins");
    const [span] = await database.sql`
      SELECT ${gap?.from ?? ""}::pg_lsn >= ${before?.confirmed ?? ""}::pg_lsn AS begins_late,
        ${gap?.to ?? ""}::pg_lsn > ${gap?.from ?? ""}::pg_lsn AS ends`;
    assert.deepEqual({ ...span }, { begins_late: true, ends: true });
    const order = receiver.posts.map(({ body }) => JSON.parse(body) as DeliveredEvent);
    assert.deepEqual(order.map(({ sequence }) => sequence), order.map(({ sequence }) => sequence).toSorted());
    assert.match(await router.output, /given it up|is not this router's any more/);
  });
}

Deno.test("a slot that was dropped while no router ran is made anew after the gap is told, with a snapshot of what is there", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const wanted = configuration(database, receiver, "recreate-and-snapshot");
  {
    await using router = await RouterProcess.start(folder.path, wanted);
    await router.untilReadyIs(200);
    await insert(database, "first");
    await receiver.received(1);
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);
    assert.deepEqual(arrivedAt(receiver), { twins: ["first"], gaps: [] }, "a first start is no loss");
  }
  await database.sql`SELECT pg_drop_replication_slot('age_slot')`;
  await insert(database, "unseen");
  const from = receiver.posts.length;
  receiver.respond = ({ method }) => method === "POST" ? "hang" : 204;
  {
    await using router = await RouterProcess.start(folder.path, wanted);
    await receiver.received(from + 1);
    await router.kill(); // before anybody has the gap
  }
  receiver.respond = () => 204;
  await using router = await RouterProcess.start(folder.path, wanted);
  await untilPosted(receiver, ["Router.Gap", '"first"', '"unseen"'], from);
  const { gaps } = await arrivedUpToLast(database, receiver, router);
  assert.deepEqual(new Set(gaps.map(({ reason }) => reason)), new Set(["slot_lost"]));
});

Deno.test("PostgreSQL 18: a publication that is dropped and made again leaves a gap, which is told", async () => {
  await using database = await TwinDatabase.open({ version: 18 });
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  await using router = await RouterProcess.start(folder.path, configuration(database, receiver, "fail"));
  await router.untilReadyIs(200);
  await database.sql`DROP PUBLICATION age_pub`;
  await insert(database, "unseen");
  await database.sql`CREATE PUBLICATION age_pub FOR TABLES IN SCHEMA digitaltwins`;
  await insert(database, "label");
  await untilPosted(receiver, ["Router.Gap"]);
  const { twins, gaps } = await arrivedUpToLast(database, receiver, router);
  assert(!twins.includes("unseen"));
  assert.deepEqual(gaps.map(({ reason }) => reason), ["publication_lost"]);
});

Deno.test("PostgreSQL 15: a slot that is older than its publication is made anew, and the gap is told", async () => {
  await using database = await TwinDatabase.open({ version: 15 });
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  await database.sql`SELECT pg_create_logical_replication_slot('age_slot', 'pgoutput')`;
  await insert(database, "unseen");
  await database.sql`CREATE PUBLICATION age_pub FOR TABLES IN SCHEMA digitaltwins`;
  await using router = await RouterProcess.start(folder.path, configuration(database, receiver, "recreate"));
  await untilPosted(receiver, ["Router.Gap"]);
  const { twins, gaps } = await arrivedUpToLast(database, receiver, router);
  assert.deepEqual(twins, ["last"]);
  assert.deepEqual(gaps.map(({ reason }) => reason), ["publication_lost"]);
});

Deno.test("PostgreSQL 15: a slot without its publication is made anew with it, and the gap is told", async () => {
  await using database = await TwinDatabase.open({ version: 15 });
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  await database.sql`SELECT pg_create_logical_replication_slot('age_slot', 'pgoutput')`;
  await insert(database, "unseen");
  await using router = await RouterProcess.start(folder.path, configuration(database, receiver, "recreate"));
  await router.untilReadyIs(200);
  const { twins, gaps } = await arrivedUpToLast(database, receiver, router);
  assert.deepEqual(twins, ["last"]);
  assert.deepEqual(gaps.map(({ reason }) => reason), ["publication_lost"]);
});
