import assert from "node:assert/strict";
import { startPostgres } from "../../../../demo/embedded_postgres.ts";
import type { ConnectionOptions } from "../../../../src/postgres/connection/connection_options.ts";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import { openSql } from "../../../../src/postgres/connection/sql.ts";
import { freePort } from "../../../../demo/postgres/free_port.ts";
import { optionsFor } from "./secured_server.ts";

const signal = new AbortController().signal;

Deno.test("passes over a dead host and one that is read-only, for replication and for SQL alike", async () => {
  await using readOnly = await startPostgres({
    version: 15,
    settings: { fsync: "off", default_transaction_read_only: "on" },
  });
  await using writable = await startPostgres({ settings: { fsync: "off" } });
  const dead = { host: "127.0.0.1", port: freePort() };
  const hosts = [dead, ...[readOnly, writable].map(({ host, port }) => ({ host, port }))];

  const found = async (changes: Partial<ConnectionOptions>) => {
    const options = optionsFor(writable, { hosts, ...changes });
    await using connection = await openConnection(options, { replication: "database" }, signal);
    await using sql = openSql(options, { pin: connection.address });
    const [system] = await connection.query("IDENTIFY_SYSTEM", signal);
    const [row] =
      await sql`SELECT system_identifier::text AS id, inet_server_port() AS port FROM pg_control_system()`;
    assert.equal(row?.id, system?.systemid);
    assert.equal(row?.port, connection.address.port);
    return connection.address.port;
  };
  assert.equal(await found({}), writable.port);
  assert.equal(await found({ targetSessionAttrs: "any" }), readOnly.port);
  assert.equal(await found({ targetSessionAttrs: "primary" }), readOnly.port);

  await assert.rejects(found({ hosts: hosts.slice(0, 2) }), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.match(
      error.message,
      new RegExp(
        `^Cannot connect to any of 2 hosts: Cannot connect to 127\\.0\\.0\\.1:${dead.port}: connect ECONNREFUSED.*; ` +
          `Cannot use 127\\.0\\.0\\.1:${readOnly.port}: its sessions are read-only by default, and targetSessionAttrs is read-write$`,
      ),
    );
    return true;
  });
});
