import { type PostgresServer, startPostgres } from "../../../../demo/embedded_postgres.ts";
import { openSql } from "../../../../src/postgres/connection/sql.ts";
import type { ConnectionOptions } from "../../../../src/postgres/connection/connection_options.ts";

export const password = "s3cret with 'quotes' and ; and \\";
/** What SASLprep changes: composed, and spaces that are ASCII's. */
export const preparedPassword = "cafe\u0301\u00a0\u2168";

/** One user for each way to be let in; `local` is the Unix socket. */
const hba = `
local   all             md5_user                        md5
local   all             all                             trust
host    all             trust_user      127.0.0.1/32    trust
host    all             password_user   127.0.0.1/32    password
host    all             md5_user        127.0.0.1/32    md5
host    all             scram_user      127.0.0.1/32    scram-sha-256
host    all             prepared_user   127.0.0.1/32    scram-sha-256
hostssl all             certificate_user 127.0.0.1/32   cert
hostssl all             tls_user        127.0.0.1/32    trust
hostnossl all           plain_user      127.0.0.1/32    trust
`;

const users = [
  `CREATE USER trust_user REPLICATION`,
  `CREATE USER certificate_user`,
  `CREATE USER tls_user`,
  `CREATE USER plain_user`,
  `SET password_encryption = 'md5'`,
  `CREATE USER md5_user PASSWORD ${quote(password)}`,
  `SET password_encryption = 'scram-sha-256'`,
  `CREATE USER password_user PASSWORD ${quote(password)}`,
  `CREATE USER scram_user REPLICATION PASSWORD ${quote(password)}`,
  `CREATE USER prepared_user PASSWORD ${quote(preparedPassword)}`,
];

/** A path in `tests/fixtures/tls`. */
export function certificate(name: string): string {
  return new URL(`../../../fixtures/tls/${name}`, import.meta.url).pathname;
}

/** A server with TLS that lets each of the users in by another method. */
export async function startSecuredServer(
  version: PostgresServer["version"],
  name: string,
): Promise<PostgresServer> {
  const server = await startPostgres({
    version,
    hba,
    settings: { fsync: "off" },
    ssl: {
      certFile: certificate(`${name}.crt`),
      keyFile: certificate(`${name}.key`),
      caFile: certificate("ca.crt"),
    },
  });
  const superuser = optionsFor(server, { hosts: [{ host: server.socketDirectory, port: server.port }] });
  await using sql = openSql(superuser, { max: 1 });
  for (const statement of users) await sql.unsafe(statement);
  return server;
}

/** Options for a connection to the server's TCP port by the name of `localhost`. */
export function optionsFor(server: PostgresServer, changes: Partial<ConnectionOptions>): ConnectionOptions {
  return {
    hosts: [{ host: "localhost", port: server.port }],
    database: "postgres",
    user: "postgres",
    sslMode: "prefer",
    channelBinding: "prefer",
    targetSessionAttrs: "read-write",
    connectTimeout: 10_000,
    applicationName: "test",
    ...changes,
  };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
