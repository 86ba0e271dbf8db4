import assert from "node:assert/strict";
import postgres from "postgres";
import { CountingWriter, createdBy, verifyCount } from "../support/counting_writer.ts";
import { freePort } from "../../demo/postgres/free_port.ts";
import type { DeliveredEvent } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { STANDBY, StandbyServer } from "../support/standby_server.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { type ReceivedRequest, WebhookReceiver } from "../support/webhook_receiver.ts";

const PARKED = 'twinrouter_parked_events{sink="Away"}';

Deno.test("a primary that dies under load is followed by its standby: nothing is lost, not of what is parked or rejected, and what comes again has its id", async () => {
  const settings: Record<string, string> = {};
  await using database = await TwinDatabase.open({ version: 18, settings });
  const primary = database.server;
  const writer = new CountingWriter();
  await database.sql`SELECT pg_create_physical_replication_slot(${STANDBY})`;
  await writer.begin(database.sql);
  let isAway = true;
  const taken: ReceivedRequest[] = [];
  await using away = new WebhookReceiver({
    respond(request) {
      if (isAway) return 503;
      if (request.method === "POST") taken.push(request);
      return 204;
    },
  });
  await using picky = new WebhookReceiver({ respond: ({ body }) => REFUSED.test(body) ? 422 : 204 });
  await using folder = await TemporaryFolder.make();
  const standbyPort = freePort();
  const hosts = `127.0.0.1:${primary.port},127.0.0.1:${standbyPort}`;
  await using router = await RouterProcess.start(folder.path, {
    source: {
      connectionString: `postgres://postgres@${hosts}/postgres?target_session_attrs=read-write`,
    },
    retry: { initial: "50ms", max: "200ms" },
    parking: { parkAfter: "500ms" },
    eventSinks: { webhook: [{ name: "Away", url: away.url }, { name: "Picky", url: picky.url }] },
  });
  await until(async () => (await router.readiness())?.body.includes('"streaming"') ?? false, "streaming");
  // A standby that finds the slot when it begins has it soon; else it may look 30 s later.
  Object.assign(settings, { synchronous_standby_names: STANDBY, synchronized_standby_slots: STANDBY });
  await using standby = await StandbyServer.of(primary, standbyPort);
  const second = postgres(standby.server.connectionString, { max: 1, onnotice: () => {} });
  await using _second = { [Symbol.asyncDispose]: () => second.end({ timeout: 1 }) };

  const first = postgres(primary.connectionString, { max: 1, onnotice: () => {} });
  let hasEnough = false;
  const writing = writer.write(first, () => hasEnough);
  await until(
    async () => {
      // A slot begins to be kept where the server has noted which transactions run, which it does every 15 s.
      await database.sql`SELECT pg_log_standby_snapshot()`;
      const slots = await second`SELECT FROM pg_replication_slots WHERE synced AND NOT temporary`;
      return slots.length > 0 && writer.acknowledged.length > 200 && (await router.metric(PARKED) ?? 0) > 200;
    },
    "the slot on the standby, some load, and some of it parked",
    60_000,
  );
  await primary.kill("SIGKILL");
  await writing;
  await first.end({ timeout: 1 });
  const before = writer.acknowledged.length;
  await second`SELECT pg_promote()`;
  const goingOn = writer.write(second, () => hasEnough);
  await until(() => writer.acknowledged.length > before + 200, "writes on the new primary", 60_000);
  isAway = false;
  hasEnough = true;
  await goingOn;

  const present = await writer.present(second);
  const created = (posts: readonly ReceivedRequest[]) => new Set(createdBy(eventsOf(posts))).size;
  await until(
    () => present.length === created(taken) && present.length === created(picky.posts),
    () => `${present.length} twins; there are ${created(taken)} and ${created(picky.posts)}`,
    60_000,
  );
  await until(async () => await router.metric(PARKED) === 0, "the outbox to be empty");
  assert.equal(await router.stop(), 0);

  verifyCount(eventsOf(taken), present);
  verifyCount(eventsOf(picky.posts), present);
  const letters = await second<
    { event: string }[]
  >`SELECT event FROM digitaltwins_eventing.dead_letter_queue`;
  const rejected = letters.map(({ event }) => JSON.parse(event) as DeliveredEvent);
  assert.deepEqual(
    [...new Set(createdBy(rejected))].sort(),
    present.filter((id) => id.endsWith("7")).sort(),
    "all that was rejected is a dead letter",
  );
});

/** That a twin is new whose number ends with 7. */
const REFUSED = /"type":"[^"]+Twin\.Create".*"\$dtId": ?"twin-\d*7"/s;

function eventsOf(posts: readonly ReceivedRequest[]): DeliveredEvent[] {
  return posts.map(({ body }) => JSON.parse(body) as DeliveredEvent);
}
