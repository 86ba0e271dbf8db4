import assert from "node:assert/strict";
import type { ConnectionOptions } from "../../../src/postgres/connection/connection_options.ts";
import { findPassword } from "../../../src/postgres/connection/password.ts";
import { TemporaryFolder } from "../../support/temporary_folder.ts";

const db = { host: "db", port: 5432 };

function options(changes: Partial<ConnectionOptions>): ConnectionOptions {
  return {
    hosts: [db],
    database: "twins",
    user: "ann",
    sslMode: "prefer",
    channelBinding: "prefer",
    targetSessionAttrs: "read-write",
    connectTimeout: 1000,
    applicationName: "test",
    ...changes,
  };
}

Deno.test("reads a password file anew each time, without its last line break", async () => {
  await using folder = await TemporaryFolder.make();
  const passwordFile = `${folder.path}/password`;
  for (
    const [content, expected] of [["one\n", "one"], ["two\r\n", "two"], [" three \n\n", " three \n"], [
      "",
      "",
    ]] as const
  ) {
    await Deno.writeTextFile(passwordFile, content);
    assert.equal(await findPassword(options({ passwordFile }), db), expected);
  }
  await Deno.remove(passwordFile);
  await assert.rejects(
    findPassword(options({ passwordFile }), db),
    new RegExp(`^Error: Cannot read passwordFile ${passwordFile}: ENOENT`),
  );
});

Deno.test("takes the first line of a pgpass file that fits the server, the database and the user", async () => {
  await using folder = await TemporaryFolder.make();
  const pgpassFile = `${folder.path}/pgpass`;
  const lines = [
    "# db:5432:twins:ann:comment",
    "",
    "db:5433:twins:ann:other port",
    "db:5432:other:ann:other database",
    "db:5432:twins:bob:other user",
    "db:5432:twins:ann:pa\\:ss\\\\word:ignored",
    "db:5432:twins:ann:second",
    "::1:5432:*:*:not reachable: the colons need backslashes",
    "\\:\\:1:5432:*:*:IPv6",
    "localhost:*:*:*:local",
    "/var/run/mine:*:*:*:folder",
    "*:*:*:eve:any",
  ];
  await Deno.writeTextFile(pgpassFile, lines.join("\n"));
  await Deno.chmod(pgpassFile, 0o600);
  const find = (host: string, changes: Partial<ConnectionOptions> = {}) =>
    findPassword(options({ pgpassFile, ...changes }), { host, port: 5432 });
  assert.equal(await find("db"), "pa:ss\\word");
  assert.equal(await find("::1"), "IPv6");
  assert.equal(await find("localhost"), "local");
  assert.equal(await find("/var/run/postgresql"), "local");
  assert.equal(await find("/var/run/mine"), "folder");
  assert.equal(await find("elsewhere"), undefined);
  assert.equal(await find("elsewhere", { user: "eve" }), "any");
  assert.equal(await find("db", { password: "given" }), "given");

  await Deno.chmod(pgpassFile, 0o640);
  assert.equal(await find("db"), undefined, "others may read it");
  await Deno.remove(pgpassFile);
  assert.equal(await find("db"), undefined, "it is not there");
});
