import assert from "node:assert/strict";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

const channel = "digitaltwins_telemetry";

function payload(messageId: string, more: object = {}): string {
  return JSON.stringify({
    digitalTwinId: "room",
    messageId,
    graphName: "digitaltwins",
    telemetry: 1,
    ...more,
  });
}

/** A router of one webhook that gets twins and telemetry, in a process of its own. */
class Scene implements AsyncDisposable {
  readonly database: TwinDatabase;
  readonly receiver = new WebhookReceiver();
  readonly folder: TemporaryFolder;
  router: RouterProcess | undefined;

  private constructor(database: TwinDatabase, folder: TemporaryFolder) {
    this.database = database;
    this.folder = folder;
  }

  static async make(): Promise<Scene> {
    return new Scene(await TwinDatabase.open(), await TemporaryFolder.make());
  }

  /** Starts the router, and waits until it streams and listens. */
  async start(more: Readonly<Record<string, unknown>> = {}): Promise<RouterProcess> {
    const router = await RouterProcess.start(this.folder.path, {
      eventSource: "https://twins.example/",
      source: { connectionString: this.database.server.connectionString, graphs: ["digitaltwins"] },
      eventSinks: { webhook: [{ name: "Hook", url: this.receiver.url, concurrency: 1 }] },
      eventRoutes: [{ sinkName: "Hook" }, { sinkName: "Hook", eventFormat: "Telemetry" }],
      ...more,
    });
    this.router = router;
    await router.untilReadyIs(200);
    await until(
      async () => await router.metric("twinrouter_telemetry_listening") === 1,
      "the router to listen",
    );
    return router;
  }

  async notify(text: string): Promise<void> {
    await this.database.sql`SELECT pg_notify(${channel}, ${text})`;
  }

  async emit(text: string, transactional = true): Promise<void> {
    await this.database.sql`SELECT pg_logical_emit_message(${transactional}::boolean, ${channel}, ${text})`;
  }

  /** What arrived, one after the other. */
  get events(): readonly Readonly<Record<string, unknown>>[] {
    return this.receiver.posts.map(({ body }) => JSON.parse(body));
  }

  get ids(): readonly unknown[] {
    return this.events.map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.router?.[Symbol.asyncDispose]();
    await this.receiver[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("telemetry arrives by NOTIFY and by logical messages; what is malformed is counted and stops nothing", async () => {
  await using scene = await Scene.make();
  const { sql } = scene.database;
  const router = await scene.start();
  await scene.notify(payload("n-1", { telemetry: { T: 22.5 }, modelId: "dtmi:example:Room;1" }));
  await scene.receiver.received(1);
  await scene.notify("{");
  await scene.notify("{}");
  await scene.notify(payload("n-2", { graphName: "other" }));
  await sql.begin(async (transaction) => {
    await transaction`SELECT pg_logical_emit_message(true, ${channel}, ${payload("rolled-back")})`;
    throw new Error("Cannot commit: it is not meant to");
  }).catch(() => {});
  await scene.emit("no JSON");
  await sql`SELECT pg_logical_emit_message(true, ${channel}, '\\xff'::bytea)`;
  await sql.begin(async (transaction) => {
    await transaction`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "room", "n": 1}')`;
    await transaction`SELECT pg_logical_emit_message(true, ${channel}, ${
      payload("m-1", { componentName: "lamp", timestamp: "2026-01-01T12:00:00.5Z" })
    })`;
    await transaction`UPDATE digitaltwins."Twin" SET properties = '{"$dtId": "room", "n": 2}'`;
  });
  await scene.emit(payload("m-2"), false);
  await scene.receiver.received(5);
  await scene.notify(payload("n-3"));
  await scene.receiver.received(6);

  const events = scene.events;
  assert.deepEqual(events.map(({ type, id }) => `${type}`.endsWith("Telemetry") ? id : type), [
    "n-1",
    "Konnektr.DigitalTwins.Twin.Create",
    "m-1",
    "Konnektr.DigitalTwins.Twin.Update",
    "m-2",
    "n-3",
  ]);
  const [notified, created, durable, updated, outside] = events;
  const { time, ...rest } = notified ?? {};
  assert(Math.abs(Date.parse(`${time}`) - Date.now()) < 60_000, `${time}`);
  assert.deepEqual(rest, {
    specversion: "1.0",
    id: "n-1",
    type: "Konnektr.DigitalTwins.Telemetry",
    source: "https://twins.example/digitaltwins/room",
    subject: "room",
    datacontenttype: "application/json",
    dataschema: "dtmi:example:Room;1",
    partitionkey: "room",
    data: { T: 22.5 },
  });
  assert.equal(durable?.subject, "room/components/lamp");
  assert.equal(durable?.time, "2026-01-01T12:00:00.500000Z");
  const sequences = [created, durable, updated, outside].map((event) => `${event?.sequence}`);
  assert.deepEqual(sequences, sequences.toSorted());

  const counted = (reason: string) => router.metric(`twinrouter_ignored_telemetry_total{reason="${reason}"}`);
  assert.deepEqual(
    [
      await counted("no_json"),
      await counted("missing_member"),
      await counted("not_utf8"),
      await counted("other_graph"),
    ],
    [2, 1, 1, 1],
  );
  await scene.database.untilConfirmed();
  assert.equal(await router.stop(), 0);
});

Deno.test("nobody listens before what is heard would be delivered", async () => {
  await using scene = await Scene.make();
  const { sql } = scene.database;
  const first = await scene.start();
  await scene.database.untilStoreIsThere();
  assert.equal(await first.stop(), 0);
  const started = Promise.withResolvers<unknown>();
  const released = sql.begin(async (transaction) => {
    const tables = await transaction`
      SELECT tablename FROM pg_tables WHERE schemaname = 'digitaltwins_eventing'`;
    for (const { tablename } of tables) {
      await transaction`LOCK TABLE ${transaction(`digitaltwins_eventing.${tablename}`)}`;
    }
    started.resolve(undefined);
    await until(async () => {
      const waiting = await transaction`
        SELECT FROM pg_locks, pg_replication_slots WHERE NOT granted AND active`;
      return waiting.length > 0;
    }, "the router to ask how far its sinks are");
    const [now] = await transaction`SELECT clock_timestamp()::text AS time`;
    return now?.time;
  });
  await Promise.race([started.promise, released]);
  await scene.start();
  await scene.notify(payload("heard"));
  await scene.receiver.received(1);
  assert.deepEqual(scene.ids, ["heard"]);
  const [listener] = await sql`
    SELECT backend_start > ${await released}::timestamptz AS late FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`;
  assert.equal(listener?.late, true);
});

Deno.test("a lost listener comes back, and the log tells how long nobody listened; readiness does not suffer", async () => {
  await using scene = await Scene.make();
  const { sql } = scene.database;
  const router = await scene.start();
  const listening = () => sql`SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`;
  const [first] = await listening();
  await sql`SELECT pg_terminate_backend(${first?.pid})`;
  await until(async () => {
    const [other] = await listening();
    return other !== undefined && other.pid !== first?.pid;
  }, "another session that listens");
  await until(async () => await router.metric("twinrouter_telemetry_listening") === 1, "the listener");
  await scene.notify(payload("after"));
  await scene.receiver.received(1);
  assert.deepEqual(scene.ids, ["after"]);
  const { status, body } = await router.readiness() ?? {};
  assert.equal(status, 200);
  const { parts } = JSON.parse(body ?? "{}") as { parts: readonly { name: string; state: string }[] };
  assert.equal(parts.find(({ name }) => name === `listen.${channel}`)?.state, "listening");
  assert.equal(await router.stop(), 0);
  const lines = (await router.output).split("\n").filter((line) => line.includes(channel));
  assert.equal(lines.length, 3, lines.join("\n"));
  assert.match(lines[0] ?? "", /is down, and tried again until it is up: .*administrator command/);
  assert.match(lines[1] ?? "", /is up again after/);
  assert.match(lines[2] ?? "", /while nobody listened is lost.*"gapSeconds":\d/);
});

Deno.test("a full queue drops telemetry by NOTIFY, and no event of a twin", async () => {
  await using scene = await Scene.make();
  const { sql } = scene.database;
  const opened = Promise.withResolvers<void>();
  scene.receiver.respond = async ({ method }) => {
    if (method === "POST") await opened.promise;
    return 204;
  };
  const router = await scene.start({ queue: { maxEvents: 3 } });
  for (let n = 1; n <= 12; n++) await scene.notify(payload(`n-${n}`));
  const metric = (name: string) => router.metric(`twinrouter_${name}{sink="Hook"}`);
  await until(async () => await metric("dropped_events_total") === 9, "nine to be dropped");
  for (let n = 1; n <= 10; n++) {
    await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "t-${n}", "n": 1}`})`;
  }
  await until(async () => await metric("queue_events") === 6, "the queue to be full of twins, too");
  await scene.notify(payload("n-13"));
  await until(async () => await metric("dropped_events_total") === 10, "one more to be dropped");
  opened.resolve();
  await scene.database.untilConfirmed();
  await scene.receiver.received(13);
  const subjects = scene.events.map(({ subject, id }) => subject === "room" ? id : subject);
  assert.deepEqual(
    subjects.toSorted(),
    [...["n-1", "n-2", "n-3"], ...Array.from({ length: 10 }, (_, n) => `t-${n + 1}`)].toSorted(),
  );
  assert.equal(await router.stop(), 0);
  assert.match(await router.output, /dropped.*"times":1\D(.|\n)*dropped.*"times":10\D/);
});

Deno.test("a logical message survives a router that is killed", async () => {
  await using scene = await Scene.make();
  const router = await scene.start();
  scene.receiver.respond = ({ method }) => method === "POST" ? "hang" : 204;
  await scene.emit(payload("before"));
  await scene.receiver.received(1);
  await router.kill();
  await scene.emit(payload("while-away"));
  await scene.emit(payload("outside"), false);
  scene.receiver.respond = () => 204;
  const held = scene.receiver.posts.length;
  await scene.start();
  await scene.receiver.received(held + 3);
  assert.deepEqual(scene.ids.slice(held), ["before", "while-away", "outside"]);
  await scene.database.untilConfirmed();
});

Deno.test("without a route that wants telemetry nobody listens", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: database.server.connectionString },
    eventSinks: { file: [{ name: "Archive", path: "./events.ndjson" }] },
  });
  await router.untilReadyIs(200);
  await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "room"}')`;
  await until(
    async () =>
      await router.metric(
        'twinrouter_events_total{type="Konnektr.DigitalTwins.Twin.Create",sink="Archive",result="delivered"}',
      ) === 1,
    "a twin to arrive",
  );
  const [listening] = await database.sql`SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`;
  assert.equal(listening, undefined);
  assert(!(await router.readiness())?.body.includes("listen."));
});
