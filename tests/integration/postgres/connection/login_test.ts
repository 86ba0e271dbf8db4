import assert from "node:assert/strict";
import type { ConnectionOptions } from "../../../../src/postgres/connection/connection_options.ts";
import { openConnection } from "../../../../src/postgres/connection/open_connection.ts";
import { openSql } from "../../../../src/postgres/connection/sql.ts";
import { TemporaryFolder } from "../../../support/temporary_folder.ts";
import { certificate, optionsFor, password, preparedPassword, startSecuredServer } from "./secured_server.ts";

const signal = new AbortController().signal;
const sslCert = certificate("client.crt");
const sslKey = certificate("client.key");

/** 15 with a certificate whose digest is SHA-384, 18 with one whose is SHA-256. */
for (const [version, name] of [[15, "server_sha384"], [18, "server"]] as const) {
  Deno.test(`logs in to PostgreSQL ${version} by every method, with and without TLS`, async (test) => {
    await using server = await startSecuredServer(version, name);

    /** Who one is then, for a connection of one's own and for SQL. */
    async function whoIs(changes: Partial<ConnectionOptions>): Promise<string> {
      const options = optionsFor(server, changes);
      await using connection = await openConnection(options, {}, signal);
      assert.equal(Math.floor(connection.serverVersion / 10_000), version);
      await using sql = openSql(options, { max: 1 });
      const query = "SELECT current_user || CASE WHEN ssl THEN ' over TLS' ELSE '' END AS who " +
        "FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
      const [bySql] = await sql.unsafe(query);
      const [row] = await connection.query(query, signal);
      assert.equal(row?.who, bySql?.who);
      return row?.who ?? "";
    }

    for (const [sslMode, suffix] of [["disable", ""], ["prefer", " over TLS"]] as const) {
      for (const user of ["trust_user", "password_user", "md5_user", "scram_user"]) {
        await test.step(`${user}, ${sslMode}`, async () => {
          assert.equal(await whoIs({ user, password, sslMode }), user + suffix);
        });
      }
    }

    await test.step("SCRAM with channel binding: taken when offered, refused when there is none", async () => {
      for (const channelBinding of ["disable", "prefer", "require"] as const) {
        const options = { user: "scram_user", password, channelBinding } as const;
        assert.equal(await whoIs({ ...options, sslMode: "require" }), "scram_user over TLS");
      }
      await assert.rejects(
        whoIs({ user: "scram_user", password, sslMode: "disable", channelBinding: "require" }),
        /channel binding is required, and the connection is not encrypted$/,
      );
      for (const user of ["trust_user", "password_user", "md5_user"]) {
        await assert.rejects(
          whoIs({ user, password, channelBinding: "require" }),
          /channel binding is required/,
        );
      }
    });

    await test.step("a password that SASLprep changes, in either spelling", async () => {
      for (const spelling of [preparedPassword, preparedPassword.normalize("NFKC")]) {
        assert.equal(await whoIs({ user: "prepared_user", password: spelling }), "prepared_user over TLS");
      }
    });

    await test.step("a client certificate", async () => {
      assert.equal(await whoIs({ user: "certificate_user", sslCert, sslKey }), "certificate_user over TLS");
      await assert.rejects(whoIs({ user: "certificate_user", sslMode: "require" }), {
        code: "28000",
        message: /^Cannot log in to localhost:\d+ as "certificate_user": .*client certificate/,
      });
      await assert.rejects(whoIs({ user: "certificate_user", sslCert, sslKey: certificate("server.key") }));
    });

    await test.step("a wrong password, and none", async () => {
      for (const user of ["password_user", "md5_user", "scram_user"]) {
        await assert.rejects(whoIs({ user, password: "wrong" }), {
          name: "ServerError",
          code: "28P01",
          message:
            `Cannot log in to localhost:${server.port} as "${user}": password authentication failed for user "${user}"`,
        });
        await assert.rejects(whoIs({ user }), {
          name: "LoginError",
          message: `Cannot log in to localhost:${server.port} as "${user}": ` +
            "the server asks for a password and none is configured; set one, passwordFile or PGPASSWORD",
        });
      }
    });

    await test.step("a password from a file, and from a pgpass file", async () => {
      await using folder = await TemporaryFolder.make();
      const passwordFile = `${folder.path}/password`;
      await Deno.writeTextFile(passwordFile, `${password}\n`);
      assert.equal(await whoIs({ user: "scram_user", passwordFile }), "scram_user over TLS");
      const pgpassFile = `${folder.path}/pgpass`;
      await Deno.writeTextFile(
        pgpassFile,
        `localhost:${server.port}:*:scram_user:${password.replace(/[\\:]/g, "\\$&")}\n`,
      );
      await Deno.chmod(pgpassFile, 0o600);
      assert.equal(await whoIs({ user: "scram_user", pgpassFile }), "scram_user over TLS");
    });

    await test.step("a Unix socket, where there is never TLS", async () => {
      const hosts = [{ host: server.socketDirectory, port: server.port }];
      for (const sslMode of ["disable", "prefer", "require", "verify-full"] as const) {
        assert.equal(await whoIs({ hosts, sslMode }), "postgres");
      }
      assert.equal(await whoIs({ hosts, user: "md5_user", password }), "md5_user");
      await assert.rejects(
        whoIs({ hosts: [{ host: "/nowhere", port: server.port }] }),
        new RegExp(`^Error: Cannot connect to /nowhere/\\.s\\.PGSQL\\.${server.port}: connect ENOENT`),
      );
    });

    await test.step("a database that does not exist", async () => {
      await assert.rejects(whoIs({ user: "trust_user", database: "nope" }), {
        name: "ServerError",
        code: "3D000",
      });
    });
  });
}
