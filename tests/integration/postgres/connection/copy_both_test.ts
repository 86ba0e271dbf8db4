import assert from "node:assert/strict";
import type { PostgresServer } from "../../../../demo/embedded_postgres.ts";
import type { Connection } from "../../../../src/postgres/connection/connection.ts";
import type { ConnectionOptions } from "../../../../src/postgres/connection/connection_options.ts";
import type { CopyBoth } from "../../../../src/postgres/connection/copy_both.ts";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import { until } from "../../../support/until.ts";
import { certificate, optionsFor, password, startSecuredServer } from "./secured_server.ts";

const signal = new AbortController().signal;
const rows = 20_000;

async function superuser(server: PostgresServer): Promise<Connection> {
  const options = optionsFor(server, { hosts: [{ host: server.socketDirectory, port: server.port }] });
  return await openConnection(options, {}, signal);
}

async function startReplication(connection: Connection): Promise<CopyBoth> {
  return await connection.copyBoth(
    "START_REPLICATION SLOT probe LOGICAL 0/0 (proto_version '1', publication_names 'probe')",
    signal,
  );
}

/** How many row messages arrive up to the end of the transaction that inserts `rows` of them. */
async function countInserts(copy: CopyBoth): Promise<number> {
  let inserts = 0;
  for await (const payloads of copy.read(signal)) {
    for (const payload of payloads) {
      if (payload[0] !== "w".charCodeAt(0)) continue;
      const kind = String.fromCharCode(payload[25] ?? 0); // after 'w' and three Int64
      if (kind === "I") inserts++;
      if (kind === "C" && inserts > 0) return inserts;
    }
  }
  return inserts;
}

for (const version of [15, 18] as const) {
  Deno.test(`replicates from PostgreSQL ${version}`, async (test) => {
    await using server = await startSecuredServer(version, "server");
    await using sql = await superuser(server);
    await sql.query("CREATE TABLE probe (id int, content text); CREATE PUBLICATION probe FOR TABLE probe");

    const ways: [string, Partial<ConnectionOptions>][] = [
      ["TCP", { sslMode: "disable" }],
      ["TLS", { sslMode: "verify-full", sslRootCert: certificate("ca.crt"), channelBinding: "require" }],
      ["a Unix socket", { hosts: [{ host: server.socketDirectory, port: server.port }] }],
    ];
    for (const [way, changes] of ways) {
      await test.step(`over ${way}, and is ready for more when it ends`, async () => {
        const options = optionsFor(server, { user: "scram_user", password, ...changes });
        await using connection = await openConnection(options, { replication: "database" }, signal);
        await connection.query("CREATE_REPLICATION_SLOT probe TEMPORARY LOGICAL pgoutput", signal);
        const copy = await startReplication(connection);
        await sql.query(
          `INSERT INTO probe SELECT n, repeat('x', n % 1000) FROM generate_series(1, ${rows}) AS n`,
        );
        assert.equal(await countInserts(copy), rows);
        await copy.end(signal);
        const [system] = await connection.query("IDENTIFY_SYSTEM", signal);
        assert.equal(system?.dbname, "postgres");
        assert.match(system?.systemid ?? "", /^\d+$/);
        await connection.query("DROP_REPLICATION_SLOT probe", signal);
      });
    }

    await test.step("ends while the server has much more to send", async () => {
      const options = optionsFor(server, { user: "scram_user", password });
      await using connection = await openConnection(options, { replication: "database" }, signal);
      await connection.query("CREATE_REPLICATION_SLOT probe TEMPORARY LOGICAL pgoutput", signal);
      await sql.query(`INSERT INTO probe SELECT n, repeat('x', 1000) FROM generate_series(1, ${rows}) AS n`);
      const copy = await startReplication(connection);
      for await (const _ of copy.read(signal)) break;
      await copy.end(signal);
      await connection.query("IDENTIFY_SYSTEM", signal);
    });

    await test.step("gives a large value whole", async () => {
      const options = optionsFor(server, { user: "scram_user", password });
      await using connection = await openConnection(options, { replication: "database" }, signal);
      await connection.query("CREATE_REPLICATION_SLOT probe TEMPORARY LOGICAL pgoutput", signal);
      const copy = await startReplication(connection);
      const length = 30_000_000;
      await sql.query(`INSERT INTO probe SELECT 1, repeat('y', ${length})`);
      const reading = copy.read(signal);
      for (let found = false; !found;) {
        const { done, value } = await reading.next();
        assert.ok(!done);
        found = value.some((payload) => payload.length > length && payload.at(-1) === "y".charCodeAt(0));
      }
    });

    await test.step("says why the server ended it", async () => {
      const options = optionsFor(server, { user: "scram_user", password });
      await using connection = await openConnection(options, { replication: "database" }, signal);
      await connection.query("CREATE_REPLICATION_SLOT probe TEMPORARY LOGICAL pgoutput", signal);
      const copy = await startReplication(connection);
      const ended = assert.rejects(Array.fromAsync(copy.read(signal)), {
        name: "ServerError",
        code: "57P01",
      });
      await sql.query(`SELECT pg_terminate_backend(${connection.processId})`);
      await ended;
    });

    await test.step("gives up a command that waits, at the server too", async () => {
      const options = optionsFor(server, { user: "scram_user", password });
      await using connection = await openConnection(options, { replication: "database" }, signal);
      // A slot is ready only when every transaction that runs now has ended.
      await sql.query("BEGIN; SELECT pg_current_xact_id()");
      const abort = new AbortController();
      const creating = connection.query("CREATE_REPLICATION_SLOT waiting LOGICAL pgoutput", abort.signal);
      await using observer = await superuser(server);
      const slots = async () => (await observer.query("SELECT FROM pg_replication_slots", signal)).length;
      await until(async () => await slots() > 0, "the slot to be begun");
      abort.abort();
      await assert.rejects(creating, { name: "AbortError" });
      await until(async () => await slots() === 0, "the slot to be given up");
      await sql.query("ROLLBACK");
    });

    await test.step("is told by a shutdown", async () => {
      const options = optionsFor(server, { user: "scram_user", password });
      await using connection = await openConnection(options, { replication: "database" }, signal);
      await connection.query("CREATE_REPLICATION_SLOT probe TEMPORARY LOGICAL pgoutput", signal);
      const copy = await startReplication(connection);
      const stopping = server.stop("fast");
      try {
        for await (const payloads of copy.read(signal)) {
          // A walsender ends only when everything is confirmed: 'r', and three times the WAL's end.
          for (const payload of payloads) {
            if (payload[0] === "k".charCodeAt(0)) copy.write(statusUpdate(payload.subarray(1, 9)));
          }
        }
      } catch (error) {
        assert.match(String(error), /57P01|terminating|closed|ECONNRESET/);
      }
      await stopping;
    });
  });
}

/** 'r', Int64 written, Int64 flushed, Int64 applied, Int64 clock, Byte1 whether a reply is wanted. */
function statusUpdate(walEnd: Uint8Array): Uint8Array {
  return Uint8Array.from(["r".charCodeAt(0), ...walEnd, ...walEnd, ...walEnd, ...new Uint8Array(9)]);
}
