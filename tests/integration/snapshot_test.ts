import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { addReader } from "../support/add_reader.ts";
import { GraphReplica, type Notification } from "../support/graph_replica.ts";
import { RouterProcess } from "../support/router_process.ts";
import { runCommand } from "../support/run_command.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";

/** Unsorted rows of every kind, one of them nobody's. */
async function fill({ sql }: TwinDatabase): Promise<void> {
  await sql`
    INSERT INTO digitaltwins.contains (start_id, end_id, properties)
    VALUES ('1', '2', '{"$relationshipId": "r", "$sourceId": "b", "$targetId": "a"}')`;
  for (const id of ["b", "a"]) {
    await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "${id}", "level": 22.0}`})`;
  }
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"name": "nobody"}')`;
  await sql`INSERT INTO digitaltwins."Model" (properties) VALUES ('{"id": "dtmi:tank;1"}')`;
}

interface Sinks {
  readonly folder: string;
  readonly configuration: Readonly<Record<string, unknown>>;
}

/** A router with the file sinks `One` and `Two`. */
function twoFiles(database: TwinDatabase, folder: string, snapshot: string): Sinks {
  const file = (name: string) => ({ name, path: `${folder}/${name}.ndjson`, maxBatchSize: 1_000 });
  const configuration = {
    source: { connectionString: database.server.connectionString, snapshot },
    eventSinks: { file: [file("One"), file("Two")] },
  };
  return { folder, configuration };
}

async function eventsOf(folder: string, sink: string): Promise<Notification[]> {
  const text = await Deno.readTextFile(`${folder}/${sink}.ndjson`).catch(() => "");
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

async function untilDelivered({ sql }: TwinDatabase, snapshots: number, timeoutMs = 60_000): Promise<void> {
  await until(
    async () => {
      const [table] = await sql`SELECT to_regclass('digitaltwins_eventing.snapshots') AS name`;
      if (!table?.name) return false;
      const finished = await sql`SELECT FROM digitaltwins_eventing.snapshots WHERE finished_at IS NOT NULL`;
      return finished.length >= snapshots;
    },
    `${snapshots} snapshots to be delivered`,
    timeoutMs,
  );
}

function told(events: readonly Notification[]): string[] {
  return events.map(({ type, subject, snapshot }) =>
    `${type.split(".").slice(2).join(".")} ${subject}${snapshot === true ? " (snapshot)" : ""}`
  );
}

Deno.test("a new slot begins with all that is there, models and twins before relationships, and only a new one", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await fill(database);
  const { configuration } = twoFiles(database, folder.path, "initial");
  {
    await using router = await RouterProcess.start(folder.path, configuration);
    await router.untilReadyIs(200);
    await untilDelivered(database, 1);
    await database.sql`DELETE FROM digitaltwins."Twin" WHERE properties::jsonb ->> '$dtId' = 'a'`;
    await database.untilConfirmed();
    assert.equal(await router.metric("twinrouter_snapshot_rows_total"), 4);
    assert.equal(await router.stop(), 0);
    assert.match(await router.output, /Snapshot begins[^]*Snapshot is delivered/);
  }
  const expected = [
    "Model.Create dtmi:tank;1 (snapshot)",
    "Twin.Create b (snapshot)",
    "Twin.Create a (snapshot)",
    "Relationship.Create b/relationships/r (snapshot)",
    "Twin.Delete a",
  ];
  assert.deepEqual(told(await eventsOf(folder.path, "One")), expected);
  assert.deepEqual(told(await eventsOf(folder.path, "Two")), expected);
  assert.match(
    await Deno.readTextFile(`${folder.path}/One.ndjson`),
    /"data":\{"\$dtId": "b", "level": 22\.0\}/,
  );

  await using again = await RouterProcess.start(folder.path, configuration);
  await again.untilReadyIs(200);
  await database.sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "c"}')`;
  await database.untilConfirmed();
  assert.deepEqual(told(await eventsOf(folder.path, "One")), [...expected, "Twin.Create c"]);
  assert.equal(await again.stop(), 0);
});

Deno.test("a snapshot is told to who asks for it: one sink, and the events that a filter matches", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await fill(database);
  const { configuration } = twoFiles(database, folder.path, "never");
  const command = (...more: string[]) =>
    runCommand(["snapshot", "--config", join(folder.path, "events.yaml"), ...more]);
  await Deno.writeTextFile(
    join(folder.path, "events.yaml"),
    JSON.stringify({ events: { config: configuration } }),
  );
  const tooEarly = await command();
  assert.equal(tooEarly.code, 1);
  assert.match(tooEarly.stderr, /there is no slot age_slot/);

  await using router = await RouterProcess.start(folder.path, configuration);
  await router.untilReadyIs(200);
  const wrong = await command("--sink", "Three");
  assert.match(wrong.stderr, /no sink has the name Three/);
  assert.equal((await command("--filter", "type =")).code, 2);

  const asked = await command(
    "--sink",
    "Two",
    "--filter",
    "subject = 'a' OR $body.$targetId = 'a'",
    "--wait",
  );
  assert.equal(asked.code, 0, asked.stderr);
  assert.match(asked.stdout, /^Snapshot [-0-9a-f]{36} is asked for at [0-9A-F/]+\n[^]*Delivered: 4 twins/);
  assert.deepEqual(told(await eventsOf(folder.path, "Two")), [
    "Twin.Create a (snapshot)",
    "Relationship.Create b/relationships/r (snapshot)",
  ]);
  assert.deepEqual(await eventsOf(folder.path, "One"), []);

  // Two snapshots of the same are two: their events are told apart.
  assert.equal((await command("--sink", "Two", "--filter", "subject = 'a'", "--wait")).code, 0);
  const ids = (await eventsOf(folder.path, "Two")).map(({ id }) => id);
  assert.equal(new Set(ids).size, 3);
  assert.equal(await router.stop(), 0);
});

Deno.test("a request that nobody could serve is served when a router comes", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await fill(database);
  const { configuration } = twoFiles(database, folder.path, "never");
  {
    await using router = await RouterProcess.start(folder.path, configuration);
    await router.untilReadyIs(200);
    assert.equal(await router.stop(), 0);
  }
  const asked = await runCommand(["snapshot", "--config", join(folder.path, "events.yaml")]);
  assert.match(asked.stdout, /Nobody streams/);
  await using router = await RouterProcess.start(folder.path, configuration);
  await untilDelivered(database, 1);
  assert.equal((await eventsOf(folder.path, "One")).length, 4);
  assert.equal(await router.stop(), 0);
});

Deno.test("an initial snapshot needs a place for its progress, and says what to do about it", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  const connectionString = await addReader(database);
  const configuration = {
    source: { connectionString, snapshot: "initial" },
    eventSinks: { file: [{ name: "One", path: `${folder.path}/One.ndjson` }] },
  };
  await Deno.writeTextFile(
    join(folder.path, "events.yaml"),
    JSON.stringify({ events: { config: { ...configuration, http: false } } }),
  );
  const { code, stderr } = await runCommand(["run", "--config", join(folder.path, "events.yaml")]);
  assert.equal(code, 1);
  const [, statements = ""] = /Run as a superuser:\\?n?([^]*?GRANT SELECT[^;]*;)/.exec(stderr) ?? [];
  assert.notEqual(statements, "", stderr);
  await database.sql.unsafe(statements.replaceAll("\\n", "\n").replaceAll('\\"', '"'));
  await database.sql.unsafe(`
    GRANT USAGE ON SCHEMA digitaltwins TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA digitaltwins TO reader;
    INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "a"}')`);
  await using router = await RouterProcess.start(folder.path, configuration);
  await untilDelivered(database, 1);
  assert.deepEqual(told(await eventsOf(folder.path, "One")), ["Twin.Create a (snapshot)"]);
  assert.equal(await router.stop(), 0);
});

const TWINS = 100_000;

/** Updates, and now and then deletes and creates, 1,000 twins a second, until it is told to stop. */
async function change({ sql }: TwinDatabase, random: SeededRandom, signal: AbortSignal): Promise<number> {
  let changed = 0;
  let next = TWINS;
  const start = performance.now();
  while (!signal.aborted) {
    await delay(Math.max(0, changed - (performance.now() - start)));
    const place = await placeOf(sql);
    // Half of them where the snapshot is just now.
    const chosen = Array.from(
      { length: 20 },
      (_, index) => `${index % 2 === 0 ? random.below(TWINS) : place + random.below(16_000)}`,
    );
    await sql`
      UPDATE digitaltwins."Twin" SET properties = properties::jsonb || jsonb_build_object('n', ${changed}::int)
      WHERE properties::jsonb ->> '$dtId' = ANY(${chosen})`;
    if (random.below(5) === 0) {
      await sql`DELETE FROM digitaltwins."Twin" WHERE properties::jsonb ->> '$dtId' = ${chosen[0] ?? ""}`;
      await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES (${`{"$dtId": "${next++}", "n": 0}`})`;
    }
    changed += 20;
  }
  return changed;
}

/** How many twins the snapshot is known to have told; a graphid counts them in its lower 48 bits. */
async function placeOf(sql: TwinDatabase["sql"]): Promise<number> {
  const [table] = await sql`SELECT to_regclass('digitaltwins_eventing.snapshots') AS name`;
  if (!table?.name) return 0;
  const [row] = await sql<{ last_id: string | null }[]>`SELECT last_id FROM digitaltwins_eventing.snapshots`;
  return Number(BigInt.asUintN(48, BigInt(row?.last_id ?? 0)));
}

for (const killed of [false, true]) {
  const name = `a snapshot of 100,000 twins, while 1,000 a second change${
    killed ? " and the router is killed in its middle" : " and the connection is lost in its middle"
  }, ends in the database's state`;
  Deno.test(name, async () => {
    const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
    const random = new SeededRandom(seed);
    await using database = await TwinDatabase.open({ settings: { wal_sender_timeout: "1s" } });
    await using folder = await TemporaryFolder.make();
    const { sql } = database;
    await sql`
      INSERT INTO digitaltwins."Twin" (properties)
      SELECT jsonb_build_object('$dtId', n::text, 'n', -1, 'level', n * 0.5)::text::ag_catalog.agtype
      FROM generate_series(0, ${TWINS - 1}) n`;
    await sql`CREATE INDEX ON digitaltwins."Twin" ((properties::jsonb ->> '$dtId'))`;
    const { configuration } = twoFiles(database, folder.path, "initial");
    const stop = new AbortController();
    const changing = change(database, random, stop.signal);
    changing.catch(() => {}); // heard of below
    let router = await RouterProcess.start(folder.path, configuration);
    try {
      await until(
        async () => (await router.metric("twinrouter_snapshot_rows_total").catch(() => 0) ?? 0) > TWINS / 3,
        "a third of the snapshot",
      );
      if (killed) {
        await router.kill();
        router = await RouterProcess.start(folder.path, configuration);
      } else await database.endStream();
      await untilDelivered(database, 1, 120_000);
      stop.abort();
      const changed = await changing;
      await database.untilConfirmed();
      assert.equal(await router.stop(), 0);
      assert(changed > 1_000, `only ${changed} changes`);
    } finally {
      stop.abort();
      await changing.catch(() => {});
      await router.kill();
    }

    const rows = await sql<{ properties: string }[]>`SELECT properties FROM digitaltwins."Twin"`;
    const truth = new Map(rows.map(({ properties }) => {
      const body = JSON.parse(properties);
      return [body.$dtId, body];
    }));
    const events = await eventsOf(folder.path, "One");
    const seen = new Set<string>();
    const all = new GraphReplica();
    const firsts = new GraphReplica();
    for (const event of events) {
      all.apply(event);
      if (!seen.has(event.id)) firsts.apply(event);
      seen.add(event.id);
    }
    for (const replica of [all, firsts]) {
      assert.equal(replica.bodies.size, truth.size, `seed ${seed}`);
      for (const [id, body] of truth) assert.deepEqual(replica.bodies.get(id), body, `seed ${seed}`);
    }
    const snapshots = events.filter(({ snapshot }) => snapshot === true);
    assert(snapshots.length >= 0.9 * TWINS);
    if (!killed) assert.equal(new Set(snapshots.map(({ id }) => id)).size, snapshots.length);
  });
}
