import assert from "node:assert/strict";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import { startReplication } from "../../../../src/postgres/replication/replication_session.ts";
import { parseLsn } from "../../../../src/postgres/lsn.ts";
import { GraphCluster, type GraphDatabase } from "../../../support/graph_cluster.ts";
import { StreamFollower } from "../../../support/stream_follower.ts";
import { freePort } from "../../../../demo/postgres/free_port.ts";
import { until } from "../../../support/until.ts";

const never = new AbortController().signal;

/** Status updates, and with them all that is measured, three times a second. */
const impatient = { wal_sender_timeout: "1s" };

async function confirmedFlushLsn({ sql }: GraphDatabase): Promise<bigint> {
  const [slot] = await sql`SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots
    WHERE database = current_database()`;
  return parseLsn(slot?.lsn);
}

async function currentLsn({ sql }: GraphDatabase): Promise<bigint> {
  const [row] = await sql`SELECT pg_current_wal_lsn()::text AS lsn`;
  return parseLsn(row?.lsn);
}

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: confirming moves the slot, and an idle database's slot moves by itself`, async () => {
    await using cluster = await GraphCluster.start({ version, settings: impatient });
    const database = await cluster.database();
    await using follower = new StreamFollower(database.settings());
    await follower.connected();
    await database.insertTwin("a");
    const written = await currentLsn(database);
    await until(async () => await confirmedFlushLsn(database) >= written, "the slot to move");
    assert.equal(follower.changes.length, 1);

    // WAL that is none of the stream's: the keepalives' positions are confirmed.
    await database.sql`CREATE TABLE public.noise AS SELECT generate_series(1, 10000) AS n`;
    const idle = await currentLsn(database);
    await until(async () => await confirmedFlushLsn(database) >= idle, "the idle slot to move");
    assert.equal(follower.changes.length, 1);
    await follower.until(
      () => follower.stream.lagBytes < 10_000,
      () => `a small lag: ${follower.stream.lagBytes}`,
    );
  });

  Deno.test(`PostgreSQL ${version}: what is not confirmed stays with the slot, and comes again`, async () => {
    await using cluster = await GraphCluster.start({ version });
    const database = await cluster.database();
    {
      await using follower = new StreamFollower(database.settings(), { confirms: false });
      await follower.connected();
      const before = await confirmedFlushLsn(database);
      await database.insertTwin("a");
      await follower.seen('insert {"$dtId": "a"}');
      assert.equal(await confirmedFlushLsn(database), before);
      await follower.until(() => follower.stream.lagBytes > 0, () => "the lag");
    }
    await using follower = new StreamFollower(database.settings());
    await follower.seen('insert {"$dtId": "a"}');
  });

  Deno.test(`PostgreSQL ${version}: after a crash of the server the stream goes on by itself`, async () => {
    await using cluster = await GraphCluster.start({ version, settings: impatient });
    const database = await cluster.database();
    await using follower = new StreamFollower(database.settings());
    await follower.connected();
    await database.insertTwin("before");
    await follower.seen('insert {"$dtId": "before"}');
    await cluster.server.stop("immediate");
    await follower.until(() => !follower.stream.health().ready, () => "the outage");
    await cluster.server.start();
    await database.insertTwin("after");
    await follower.seen('insert {"$dtId": "after"}');
    assert.equal(follower.stream.health().ready, true);
    await follower.logged(/^info Replication is up again after/);
    assert.equal(follower.log.matching(/^warn/).length, 1, follower.log.lines.join("\n"));
    assert.equal(follower.connections.at(-1)?.sameTimelineAsBefore, true);
    // It may be looked at again: the other connection has come back too.
    follower.stream.labelsChanged();
    await follower.until(() => follower.stream.lagBytes === 0, () => "no lag");
  });
}

Deno.test("a stopping server is not held up by the stream", async () => {
  // It would wait for a stream that does not end for as long.
  await using cluster = await GraphCluster.start({ settings: { wal_sender_timeout: "1h" } });
  const database = await cluster.database();
  await using follower = new StreamFollower(database.settings());
  await follower.connected();
  await database.insertTwin("a");
  await follower.seen('insert {"$dtId": "a"}');
  await database.sql.end({ timeout: 1 });
  let isStopped = false;
  void cluster.server.stop("fast").then(() => isStopped = true);
  await until(() => isStopped, "the server to stop");
  await follower.until(() => !follower.stream.health().ready, () => "the outage");
  await cluster.server.start();
  await follower.connected(2);
});

for (const reads of [true, false]) {
  Deno.test(`a server stops although nothing is confirmed, ${reads ? "and" : "nor"} read`, async () => {
    await using cluster = await GraphCluster.start({ settings: impatient });
    const database = await cluster.database();
    const gate = Promise.withResolvers<void>();
    await using follower = new StreamFollower(database.settings(), {
      confirms: false,
      gate: async () => {
        if (!reads && follower.changes.length > 0) await gate.promise;
      },
    });
    await follower.connected();
    await database.insertTwin("unconfirmed");
    await follower.seen('insert {"$dtId": "unconfirmed"}');
    let isStopped = false;
    void cluster.server.stop("fast").then(() => isStopped = true);
    await until(() => isStopped, "the server to stop");
    assert.equal(follower.stream.health().ready, false);
    gate.resolve();
    await cluster.server.start();
    await follower.connected(2);
    await follower.until(() => follower.changes.length === 2, () => "the change to come again");
  });
}

Deno.test("a reader that takes its time keeps the connection, and health says what it waits for", async () => {
  await using cluster = await GraphCluster.start({ settings: { wal_sender_timeout: "3s" } });
  const database = await cluster.database();
  const gate = Promise.withResolvers<void>();
  let isHeld = false;
  await using follower = new StreamFollower(database.settings(), {
    gate: async () => {
      if (follower.changes.length === 0) return;
      isHeld = true;
      await gate.promise;
    },
  });
  await follower.connected();
  await database.sql`INSERT INTO digitaltwins."Twin" (properties)
    SELECT ('{"$dtId": "' || n || '", "x": "' || repeat('x', 1000) || '"}')::ag_catalog.agtype
    FROM generate_series(1, 5000) n`;
  await follower.until(() => isHeld, () => "the reader to stop");
  const began = performance.now();
  const taken = follower.changes.length;
  await follower.until(() => performance.now() - began > 10_000, () => "10 s");
  assert.equal(follower.stream.health().ready, true);
  assert.equal(follower.stream.health().detail, "waiting for sinks");
  assert(taken < 5_000 && follower.changes.length === taken, "nothing was taken");
  gate.resolve();
  await follower.until(
    () => follower.changes.length === 5_000,
    () => `${follower.changes.length} of 5000 changes`,
  );
  assert.equal(follower.connections.length, 1, "on the same connection");
  assert.equal(follower.stream.health().detail, undefined);
});

Deno.test("a slot that is active elsewhere is waited for", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const settings = database.settings();
  {
    await using first = new StreamFollower(settings);
    await first.connected();
  }
  const other = await openConnection(
    { ...settings.connection, applicationName: "another router" },
    { replication: "database" },
    never,
  );
  const copy = await other.copyBoth(startReplication(settings, 0n, other.serverVersion), never);
  await using follower = new StreamFollower(settings);
  await follower.until(() => follower.stream.health().state === "waiting for slot", () => "the wait");
  const { ready, detail, facts } = follower.stream.health();
  assert.equal(ready, true, "it is all that a router that stands by can be");
  assert.equal(facts?.role, "standby");
  assert.match(detail ?? "", new RegExp(`process ${other.processId} \\("another router" from 127.0.0.1\\)`));
  await database.insertTwin("meanwhile");
  await copy.end(never);
  await other[Symbol.asyncDispose]();
  await follower.seen('insert {"$dtId": "meanwhile"}');
  assert.equal(follower.log.matching(/is in use by/).length, 1);
  assert.equal(follower.log.matching(/^warn/).length, 0);
});

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: a start that is given up while its slot waits leaves no slot`, async () => {
    await using cluster = await GraphCluster.start({ version });
    const database = await cluster.database();
    const { sql } = database;
    const done = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const transaction = sql.begin(async (held) => {
      await held`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{}')`;
      begun.resolve();
      await done.promise;
    });
    await begun.promise;
    const isWaiting = async () =>
      (await sql`SELECT FROM pg_stat_activity WHERE query LIKE '%pg_create_logical_replication_slot%'
        AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`).length === 1;
    {
      await using follower = new StreamFollower(database.settings());
      await follower.until(isWaiting, () => "the slot to wait for the transaction");
    }
    await until(async () => !await isWaiting(), "the server to give up");
    done.resolve();
    await transaction;
    assert.equal((await sql`SELECT FROM pg_replication_slots`).length, 0);
  });
}

Deno.test("while what was read is still being confirmed, nothing is said to be amiss", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const follower = new StreamFollower(database.settings(), { confirms: false });
  await follower.connected();
  await database.insertTwin("a");
  await follower.seen('insert {"$dtId": "a"}');
  await follower.stopReading();
  const lag = follower.stream.lagBytes;
  follower.stream.labelsChanged();
  await database.sql`CREATE TABLE public.noise AS SELECT generate_series(1, 10000) AS n`;
  await until(() => follower.stream.lagBytes > lag, "the lag to be measured");
  await follower[Symbol.asyncDispose]();
  assert.deepEqual(follower.log.matching(/^(debug|warn|error)/), []);
});

Deno.test("a slot that is lost under way ends the stream instead of being made anew", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const settings = database.settings();
  await using follower = new StreamFollower(settings);
  await follower.connected();
  await until(async () => {
    await database.sql`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active`;
    try {
      await database.sql`SELECT pg_drop_replication_slot(${settings.slot})`;
      return true;
    } catch {
      return false; // It was back already.
    }
  }, "the slot to be dropped");
  await until(() => follower.failure !== undefined, "the end of the stream");
  assert.match(String(follower.failure), /Cannot go on: slot .* is gone from 127\.0\.0\.1:\d+/);
  assert.equal((await database.sql`SELECT FROM pg_replication_slots`).length, 0);
});

for (const version of [15, 18] as const) {
  Deno.test(`PostgreSQL ${version}: a publication that is dropped under way is noticed, and not streamed without`, async () => {
    await using cluster = await GraphCluster.start({ version, settings: impatient });
    const database = await cluster.database();
    const settings = database.settings();
    await using follower = new StreamFollower(settings);
    await follower.connected();
    await database.sql.unsafe(`DROP PUBLICATION ${settings.publication}`);
    await database.insertTwin("unseen");
    await follower.logged(/^warn Cannot read slot .*: publication .* does not exist\. /);
    assert.equal(follower.stream.health().ready, false);
    assert.match(follower.stream.health().detail ?? "", /publication .* does not exist/);
  });
}

Deno.test("the first of several hosts that answers is used, for all connections", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  const { connection } = database.settings();
  const hosts = [{ host: "127.0.0.1", port: freePort() }, ...connection.hosts];
  await using follower = new StreamFollower(database.settings({ connection: { ...connection, hosts } }));
  await follower.connected();
  assert.equal(follower.stream.health().facts?.host, `127.0.0.1:${cluster.server.port}`);
});

Deno.test("after a failover the slot's changes come again, under the new timeline", async () => {
  await using cluster = await GraphCluster.start({ version: 18 });
  const { server } = cluster;
  const database = await cluster.database();
  await using follower = new StreamFollower(database.settings());
  await follower.connected();
  await database.insertTwin("before");
  await follower.seen('insert {"$dtId": "before"}');
  await server.stop();
  await Deno.writeTextFile(`${server.dataDirectory}/standby.signal`, "");
  const started = server.start();
  // A standby is waited for: it may be promoted.
  await follower.until(
    () => follower.stream.health().detail?.includes("is a standby") ?? false,
    () => "the standby",
  );
  await database.sql`SELECT pg_promote()`;
  await started;
  await follower.connected(2);
  const [first, second] = follower.connections;
  assert.equal(second?.systemIdentifier, first?.systemIdentifier);
  assert.equal(second?.timeline, 2);
  assert.equal(second?.sameTimelineAsBefore, false);
  await database.insertTwin("after");
  await follower.seen('insert {"$dtId": "after"}');
  const current = await currentLsn(database);
  await until(async () => await confirmedFlushLsn(database) >= current, "the slot to move");
});

Deno.test("another database cluster in the server's place ends the stream", async () => {
  const port = freePort();
  const first = await GraphCluster.start({ port });
  const database = await first.database();
  await using follower = new StreamFollower(database.settings());
  await follower.connected();
  await first[Symbol.asyncDispose]();
  await using second = await GraphCluster.start({ port });
  await second.database();
  await until(() => follower.failure !== undefined, "the end of the stream");
  assert.match(String(follower.failure), /it is another database cluster/);
});

Deno.test("a frozen server is noticed, and found again", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  await using follower = new StreamFollower(database.settings());
  await follower.connected();
  await database.insertTwin("before");
  await follower.seen('insert {"$dtId": "before"}');
  await cluster.server.kill("SIGSTOP");
  try {
    await follower.until(() => !follower.stream.health().ready, () => "the silence");
    const { state, detail } = follower.stream.health();
    assert.equal(state, "silent");
    assert.match(detail ?? "", /nothing heard for \d+ s/);
  } finally {
    await cluster.server.kill("SIGCONT");
  }
  await follower.until(() => follower.stream.health().ready, () => "the server to be heard");
  await database.insertTwin("after");
  await follower.seen('insert {"$dtId": "after"}');
  assert.equal(follower.connections.length, 1, "on the same connection");
});

Deno.test("a server that stays frozen is given up, and found again when it thaws", async () => {
  await using cluster = await GraphCluster.start();
  const database = await cluster.database();
  await using follower = new StreamFollower(database.settings());
  await follower.connected();
  await cluster.server.kill("SIGSTOP");
  try {
    await until(
      () => follower.log.matching(/^warn Replication is down.*nothing for \d+ s/).length === 1,
      "the end",
      60_000,
    );
    await until(
      () => follower.stream.health().detail?.includes("no answer within 3 s") ?? false,
      "an attempt",
    );
  } finally {
    await cluster.server.kill("SIGCONT");
  }
  await database.insertTwin("after");
  await follower.seen('insert {"$dtId": "after"}');
  assert.equal(follower.stream.health().ready, true);
  assert.equal(follower.log.matching(/^warn/).length, 1);
});
