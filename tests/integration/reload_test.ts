import assert from "node:assert/strict";
import { intoHook } from "../support/into_hook.ts";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RELOADS, RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

const putTwin = ({ sql }: TwinDatabase, id: string, more: object = {}) =>
  sql`INSERT INTO digitaltwins."Twin" (properties)
    VALUES (${JSON.stringify({ $dtId: id, $metadata: { $model: "dtmi:example:Room;1" }, ...more })})`;

function eventsOf({ posts }: WebhookReceiver): DeliveredEvent[] {
  return posts.map(({ body }) => JSON.parse(body));
}

const subjectsOf = (receiver: WebhookReceiver) => eventsOf(receiver).map(({ subject }) => subject);

Deno.test("under load sinks and routes come and go by reloads, and every event is at each of its sinks once", async () => {
  const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
  const random = new SeededRandom(seed);
  await using database = await TwinDatabase.open();
  await using always = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  // One after the other, each of them once: between them they get everything.
  const turns = Array.from({ length: 6 }, () => new WebhookReceiver());
  const configuration = (turn: number) => ({
    source: { connectionString: database.server.connectionString },
    queue: { maxEvents: 20 }, // so that mostly a transaction is under way, and held up
    eventSinks: {
      webhook: [
        { name: "Always", url: always.url, concurrency: 4 },
        { name: `Turn ${turn}`, url: turns[turn]?.url, concurrency: 4 },
      ],
    },
    eventRoutes: [{ sinkName: "Always" }, { sinkName: `Turn ${turn}` }],
  });
  try {
    await using router = await RouterProcess.start(folder.path, configuration(0));
    await router.untilReadyIs(200);
    const ledger = new Ledger(database.sql, random);
    let isWriting = true;
    const writing = (async () => {
      while (isWriting) await ledger.write(5);
    })();
    for (const [turn, receiver] of turns.entries()) {
      if (turn > 0) {
        await router.configure(configuration(turn));
        await router.reload();
      }
      await receiver.received(30);
    }
    isWriting = false;
    await writing;
    await database.untilConfirmed();
    await router.untilReadyIs(200);
    const { parts } = JSON.parse((await router.readiness())?.body ?? "{}") as { parts: { name: string }[] };
    const sinks = parts.map(({ name }) => name).filter((name) => name.startsWith("sink."));
    assert.deepEqual(sinks, ["sink.Always", "sink.Turn 5"]);
    const metrics = await (await fetch(`${router.url}/metrics`, { signal: AbortSignal.timeout(10_000) }))
      .text();
    assert.match(metrics, /twinrouter_queue_events\{sink="Turn 5"\}/);
    assert.doesNotMatch(metrics, /twinrouter_(queue_events|queue_bytes|sink_connected)\{sink="Turn [0-4]"\}/);
    assert.equal(await router.stop(), 0);

    const where = `seed ${seed}`;
    ledger.verify(eventsOf(always), where);
    const ids = (events: readonly DeliveredEvent[]) => events.map(({ id }) => id);
    const all = ids(eventsOf(always));
    assert.equal(new Set(all).size, all.length, `${where}: none is doubled`);
    const inTurn = turns.map(eventsOf);
    assert.deepEqual(ids(inTurn.flat()).sort(), all.toSorted(), `${where}: none is lost, none is doubled`);
    ledger.verify(inTurn.flat(), where);
    // Each turn ends between two transactions.
    const transactions = inTurn.map((events) => new Set(events.map(({ sequence }) => commitOf(sequence))));
    for (const [turn, later] of transactions.slice(1).entries()) {
      const newest = [...transactions[turn] ?? []].sort().at(-1) ?? "";
      const oldest = [...later].sort()[0] ?? "";
      assert(newest < oldest, `${where}: turn ${turn} ends at ${newest}, the next begins at ${oldest}`);
    }
  } finally {
    for (const receiver of turns) await receiver[Symbol.asyncDispose]();
  }
});

Deno.test("an invalid file changes nothing and is told as at the start; what needs a restart is named and left", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const configuration = intoHook(database, receiver);
  const secret = "correct-horse-battery";
  await using router = await RouterProcess.start(folder.path, configuration);
  await router.untilReadyIs(200);
  await router.configure({
    ...configuration,
    eventSinks: { webhook: [{ name: "Hook", ur: "x", auth: { type: "bearer", token: secret } }] },
    eventRoutes: [{ sinkName: "Hok", filter: "type =" }],
  });
  await router.reload("refused");
  const { status, body } = await router.readiness() ?? {};
  assert.equal(status, 200);
  assert.match(body ?? "", /"refused",\s+"detail": ".*webhook\[0\]\.ur: unknown key/);
  await putTwin(database, "one");
  await receiver.received(1);
  // The connection string is right and unused: what the source says counts at the next start.
  await router.configure({
    ...configuration,
    eventSource: "https://other.example/",
    source: { ...configuration.source, slot: "another" },
    eventRoutes: [{ sinkName: "Hook", filter: "$dtId = 'three'" }],
  });
  await router.reload("refused"); // `$dtId` is no attribute of an event
  await router.configure({
    ...configuration,
    eventSource: "https://other.example/",
    source: { ...configuration.source, slot: "another" },
    eventSinks: {
      webhook: [{ name: "Hook", url: receiver.url, headers: { "X-Turn": "2" } }],
      file: [{ name: "Unrouted", path: "./never.ndjson" }],
    },
    eventRoutes: [{ sinkName: "Hook", filter: "subject = 'three'" }],
  });
  await router.reload();
  assert.match(
    (await router.readiness())?.body ?? "",
    /"name": "configuration",\s+"ready": true,\s+"state": "in force"/,
  );
  await putTwin(database, "two");
  await putTwin(database, "three");
  await receiver.received(2);
  await database.untilConfirmed();
  assert.deepEqual(subjectsOf(receiver), ["one", "three"]);
  assert.equal(receiver.posts[1]?.headers.get("x-turn"), "2");
  assert.doesNotMatch(`${receiver.posts[1]?.body}`, /other\.example/);
  assert.equal(await router.stop(), 0);
  const output = await router.output;
  const lines = output.split("\n");
  const told = lines.filter((line) => /Configuration is not reloaded/.test(line));
  assert.equal(told.length, 2, output);
  assert.match(told[0] ?? "", /events\.yaml:1:\d+ events\.config\.eventSinks\.webhook\[0\]\.ur: unknown key/);
  assert.match(told[0] ?? "", /eventRoutes\[0\]\.sinkName: .*Hook/);
  assert.match(output, /need a restart.*"keys":\["eventSource","source"\]/);
  assert.match(output, /Configuration reloaded.*"addedSinks":\["Unrouted"\]/);
  assert.match(output, /"changedSinks":\["Hook"\]/);
  assert.match(output, /"changedRoutes":\["Hook\/EventNotification"\]/);
  assert.match(output, /no route leads to it.*Unrouted/);
  assert(!output.includes(secret));
});

Deno.test("a sink that is down, and holds up the stream, comes back with a reload", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver({
    respond: ({ method, headers }) =>
      method === "POST" && headers.get("authorization") !== "Bearer right" ? 401 : 204,
  });
  await using folder = await TemporaryFolder.make();
  const configuration = (token: string) => ({
    source: { connectionString: database.server.connectionString },
    queue: { maxEvents: 2 },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url, auth: { type: "bearer", token } }] },
  });
  await using router = await RouterProcess.start(folder.path, configuration("wrong"));
  await router.untilReadyIs(200);
  const ids = ["1", "2", "3", "4", "5", "6"];
  await database.sql.begin(async (sql) => {
    for (const id of ids) {
      await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "${id}"}`})`;
    }
  });
  await router.untilReadyIs(503);
  receiver.respond = () => 204;
  await router.reload(); // as it was: it is tried again
  await receiver.received((posts) => new Set(posts.map(({ body }) => JSON.parse(body).subject)).size === 6);
  await router.untilReadyIs(200);

  receiver.respond = ({ method, headers }) =>
    method === "POST" && headers.get("authorization") !== "Bearer right" ? 401 : 204;
  await putTwin(database, "7");
  await router.untilReadyIs(503);
  await router.configure(configuration("right"));
  await router.reload();
  await database.untilConfirmed();
  await router.untilReadyIs(200);
  assert.equal(await router.stop(), 0);
  const output = await router.output;
  assert.doesNotMatch(output, /Bearer right|"right"/);
  assert.match(output, /"changedSinks":\["Hook"\]/);
});

Deno.test("what waits for a wrong address goes to the right one, in order", async () => {
  await using database = await TwinDatabase.open();
  await using wrong = new WebhookReceiver({ respond: ({ method }) => method === "POST" ? "hang" : 204 });
  await using right = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const configuration = (url: string) => ({
    source: { connectionString: database.server.connectionString },
    shutdownTimeout: "300ms",
    eventSinks: { webhook: [{ name: "Hook", url, concurrency: 3 }] },
  });
  await using router = await RouterProcess.start(folder.path, configuration(wrong.url));
  await router.untilReadyIs(200);
  for (let n = 0; n < 40; n++) {
    await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "room-${
      n % 4
    }", "n": ${n}}`})`;
  }
  await wrong.received(3);
  await router.configure(configuration(right.url));
  await router.reload();
  await right.received(40);
  await database.untilConfirmed();
  assert.equal(right.posts.length, 40);
  for (let room = 0; room < 4; room++) {
    const order = eventsOf(right).filter(({ subject }) => subject === `room-${room}`).map(({ data }) =>
      data.n
    );
    assert.deepEqual(order, Array.from({ length: 10 }, (_, index) => index * 4 + room));
  }
  assert.equal(await router.stop(), 0);
});

Deno.test("a removed sink that takes nothing holds the slot no longer than it may, and its loss is told", async () => {
  await using database = await TwinDatabase.open();
  await using dead = new WebhookReceiver({ respond: ({ method }) => method === "POST" ? 503 : 204 });
  await using alive = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const configuration = (...sinks: object[]) => ({
    source: { connectionString: database.server.connectionString },
    shutdownTimeout: "500ms",
    queue: { maxEvents: 2 },
    eventSinks: { webhook: [{ name: "Alive", url: alive.url }, ...sinks] },
  });
  await using router = await RouterProcess.start(folder.path, configuration({ name: "Dead", url: dead.url }));
  await router.untilReadyIs(200);
  for (let n = 1; n <= 6; n++) await putTwin(database, `${n}`);
  await until(
    async () => await router.metric('twinrouter_queue_events{sink="Dead"}') === 2,
    "the sink to hold up the stream",
  );
  await router.configure(configuration());
  await router.reload();
  await alive.received(6);
  await database.untilConfirmed();
  await router.untilReadyIs(200);
  assert.equal(subjectsOf(alive).length, 6);
  // The third of them was waiting for room.
  assert.equal(await router.metric(`twinrouter_dropped_events_total{sink="Dead"}`), 3);
  assert.equal(await router.metric('twinrouter_queue_events{sink="Dead"}'), undefined);
  assert.equal(await router.stop(), 0);
  assert.match(await router.output, /Sink was removed and does not take its last events.*"sink":"Dead"/);
});

Deno.test("telemetry is listened to, and models are read, from the reload on that makes them needed", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  const configuration = (...eventRoutes: object[]) => ({
    source: { connectionString: database.server.connectionString },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url, concurrency: 1 }] },
    eventRoutes: [{ sinkName: "Hook", filter: "subject = 'nobody'" }, ...eventRoutes],
  });
  const putModel = (id: string) =>
    sql`INSERT INTO digitaltwins."Model" (properties) VALUES (${
      JSON.stringify({ id, model: { "@id": id, "@type": "Interface", extends: "dtmi:example:Space;1" } })
    })`;
  const wanting = configuration(
    { sinkName: "Hook", filter: "IS_OF_MODEL('dtmi:example:Space;1')" },
    { sinkName: "Hook", eventFormat: "Telemetry" },
  );
  const notify = (messageId: string) =>
    sql`SELECT pg_notify('digitaltwins_telemetry', ${
      JSON.stringify({ digitalTwinId: "room", messageId, graphName: "digitaltwins", telemetry: 1 })
    })`;
  const untilListeningIs = (value: number) =>
    until(
      async () => await router.metric("twinrouter_telemetry_listening") === value,
      `listening to be ${value}`,
    );

  await using router = await RouterProcess.start(folder.path, configuration());
  await router.untilReadyIs(200);
  await putModel("dtmi:example:Room;1");
  await putTwin(database, "before");
  await database.untilConfirmed();
  await router.configure(wanting);
  await router.reload();
  await untilListeningIs(1);
  await notify("heard");
  await putTwin(database, "room");
  await receiver.received(2);
  await router.configure(configuration());
  await router.reload();
  await untilListeningIs(0);
  await until(
    async () => (await sql`SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`).length === 0,
    "the listener to leave",
  );
  await notify("unheard");
  // While nobody asks for models they are not followed: they are read anew.
  await putModel("dtmi:example:Hall;1");
  await putTwin(database, "between");
  await database.untilConfirmed();
  await router.configure(wanting);
  await router.reload();
  await putTwin(database, "hall", { $metadata: { $model: "dtmi:example:Hall;1" } });
  await receiver.received(3);
  assert.deepEqual(subjectsOf(receiver).toSorted(), ["hall", "room", "room"]);
  assert.equal(await router.stop(), 0);
});

Deno.test("with watch: true a file that is put in the place of the old one is reloaded, until it says otherwise", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const configuration = (subject: string, watch = true) => ({
    source: { connectionString: database.server.connectionString },
    watch,
    eventSinks: {
      webhook: [{ name: "Hook", url: receiver.url }],
      file: [{ name: "Beside", path: "./events.ndjson" }], // changes the same folder all the time
    },
    eventRoutes: [{ sinkName: "Hook", filter: `subject = '${subject}'` }, { sinkName: "Beside" }],
  });
  await using router = await RouterProcess.start(folder.path, configuration("one"));
  const untilReloadsAre = (count: number) =>
    until(async () => await router.metric(RELOADS("applied")) === count, `${count} reloads`);
  await router.untilReadyIs(200);
  await putTwin(database, "one");
  await receiver.received(1);
  await router.configure(configuration("two"));
  await untilReloadsAre(1);
  await putTwin(database, "two");
  await receiver.received(2);
  await router.configure(configuration("three", false));
  await untilReloadsAre(2);
  await router.configure(configuration("four"));
  await putTwin(database, "three");
  await receiver.received(3);
  await database.untilConfirmed();
  await router.reload();
  await putTwin(database, "four");
  await receiver.received(4);
  assert.equal(await router.metric(RELOADS("applied")), 3);
  assert.deepEqual(subjectsOf(receiver), ["one", "two", "three", "four"]);
  assert.equal(await router.stop(), 0);
});

/** The part of a sequence that all events of a transaction share. */
function commitOf(sequence: string): string {
  return sequence.slice(0, 16);
}
