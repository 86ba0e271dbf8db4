import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { startPostgres } from "../../../../demo/embedded_postgres.ts";
import type { PostgresServer } from "../../../../demo/embedded_postgres.ts";
import type { ConnectionOptions } from "../../../../src/postgres/connection/connection_options.ts";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import { certificate, optionsFor, startSecuredServer } from "./secured_server.ts";

const signal = new AbortController().signal;
const ca = certificate("ca.crt");
const otherCa = certificate("other_ca.crt");

/** How a connection turns out: in plain text, encrypted, or to a server that is who it says. */
async function outcome(server: PostgresServer, changes: Partial<ConnectionOptions>): Promise<string> {
  await using connection = await openConnection(
    optionsFor(server, { user: "trust_user", ...changes }),
    {},
    signal,
  );
  const [row] = await connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", signal);
  assert.equal(row?.ssl, connection.tls ? "t" : "f");
  return connection.tls === undefined ? "plain" : connection.tls.verified ? "verified" : "encrypted";
}

for (const version of [15, 18] as const) {
  Deno.test(`encrypts and verifies PostgreSQL ${version} as sslMode says`, async (test) => {
    await using server = await startSecuredServer(version, "server");

    await test.step("a server that is who it should be", async () => {
      assert.equal(await outcome(server, { sslMode: "disable" }), "plain");
      assert.equal(await outcome(server, { sslMode: "prefer" }), "encrypted");
      assert.equal(await outcome(server, { sslMode: "require" }), "encrypted");
      for (const host of ["localhost", "127.0.0.1"]) {
        const hosts = [{ host, port: server.port }];
        assert.equal(await outcome(server, { hosts, sslMode: "verify-ca", sslRootCert: ca }), "verified");
        assert.equal(await outcome(server, { hosts, sslMode: "verify-full", sslRootCert: ca }), "verified");
      }
    });

    await test.step("a server of an authority that is not trusted", async () => {
      for (const sslMode of ["verify-ca", "verify-full"] as const) {
        for (const trusted of [{ sslRootCert: otherCa }, { sslRootCert: "system" }, {}]) {
          await assert.rejects(
            outcome(server, { sslMode, ...trusted }),
            /^Error: Cannot use TLS with localhost:\d+: .*certificate/,
          );
        }
      }
      assert.equal(await outcome(server, { sslMode: "prefer", sslRootCert: otherCa }), "encrypted");
    });

    await test.step("an authority among others in one file", async () => {
      const bundle = await Deno.makeTempFile();
      await Deno.writeTextFile(bundle, await Deno.readTextFile(otherCa) + await Deno.readTextFile(ca));
      assert.equal(await outcome(server, { sslMode: "verify-full", sslRootCert: bundle }), "verified");
      await Deno.remove(bundle);
    });

    await test.step("a server that lets this user in only with TLS, or only without", async () => {
      assert.equal(await outcome(server, { user: "tls_user", sslMode: "prefer" }), "encrypted");
      await assert.rejects(outcome(server, { user: "tls_user", sslMode: "disable" }), { code: "28000" });
      assert.equal(await outcome(server, { user: "plain_user", sslMode: "prefer" }), "plain");
      await assert.rejects(outcome(server, { user: "plain_user", sslMode: "require" }), { code: "28000" });
      await assert.rejects(outcome(server, { user: "nobody", sslMode: "prefer" }), { code: "28000" });
    });
  });
}

Deno.test("verifies the host's name in verify-full, and there only", async () => {
  await using server = await startSecuredServer(18, "server_other_name");
  assert.equal(await outcome(server, { sslMode: "verify-ca", sslRootCert: ca }), "verified");
  for (const host of ["localhost", "127.0.0.1"]) {
    await assert.rejects(
      outcome(server, { hosts: [{ host, port: server.port }], sslMode: "verify-full", sslRootCert: ca }),
      /^Error: Cannot use TLS with (localhost|127\.0\.0\.1):\d+: .*(altnames|cert's list)/,
    );
  }
});

Deno.test("goes on without TLS where the server has none, unless it is required", async () => {
  await using server = await startPostgres({ settings: { fsync: "off" } });
  assert.equal(await outcome(server, { user: "postgres", sslMode: "prefer" }), "plain");
  for (const sslMode of ["require", "verify-ca", "verify-full"] as const) {
    await assert.rejects(
      outcome(server, { user: "postgres", sslMode }),
      new RegExp(`: the server does not support it, and sslMode is ${sslMode}$`),
    );
  }
});

Deno.test("warns once of each server that is not on this machine and not verified", async () => {
  await using server = await startSecuredServer(18, "server");
  const warnings: LogRecord[] = [];
  await configure({
    sinks: { warnings: (record) => void warnings.push(record) },
    loggers: [
      { category: "twinrouter", sinks: ["warnings"], lowestLevel: "warning" },
      { category: ["logtape", "meta"], lowestLevel: "fatal" },
    ],
  });
  try {
    // As good as another machine: it is not among the names of this one.
    const hosts = [{ host: "0.0.0.0", port: server.port }];
    await outcome(server, { sslMode: "require" });
    await outcome(server, { hosts, sslMode: "disable" });
    await outcome(server, { hosts, sslMode: "verify-ca", sslRootCert: ca });
    assert.equal(warnings.length, 0);
    await outcome(server, { hosts, sslMode: "require" });
    await outcome(server, { hosts, sslMode: "prefer" });
    assert.deepEqual(warnings.map(({ message, properties }) => [message.join(""), properties]), [[
      "The server's identity is not verified; sslMode 'verify-full' does that",
      { server: `0.0.0.0:${server.port}`, sslMode: "require" },
    ]]);
  } finally {
    await reset();
  }
});
