import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { type PostgresServer, startPostgres } from "../../demo/embedded_postgres.ts";
import { postgresBinaries } from "../../demo/postgres/binaries.ts";
import { runningProcesses } from "../../demo/postgres/processes.ts";
import { until } from "../support/until.ts";

const settings = { fsync: "off" };

Deno.test("a server takes connections, keeps its data and port over a restart, and leaves nothing behind", async () => {
  const server = await startPostgres({ settings });
  const { pid, port, socketDirectory } = server;
  try {
    assert.deepEqual(await query(server, "SHOW wal_level"), [{ wal_level: "logical" }]);
    await query(server, "CREATE TABLE kept AS SELECT 1 AS n");
    await server.stop();
    assert.equal(await isRunning(pid), false);
    assert.throws(() => server.pid, /stopped/);
    await server.start();
    assert.equal(server.port, port);
    assert.deepEqual(await query(server, "SELECT n FROM kept"), [{ n: 1 }]);
    const overSocket = postgres({ host: socketDirectory, port, user: "postgres", max: 1 });
    assert.deepEqual([...await overSocket`SELECT n FROM kept`], [{ n: 1 }]);
    await overSocket.end();
    assert.match(await server.logText(), /ready to accept connections/);
  } finally {
    await server[Symbol.asyncDispose]();
  }
  await assert.rejects(() => Deno.stat(socketDirectory), Deno.errors.NotFound);
});

Deno.test("servers side by side do not meet, and none of them runs as root", async () => {
  await using first = await startPostgres({ version: 15, settings });
  await using second = await startPostgres({ version: 18, settings });
  assert.notEqual(first.port, second.port);
  for (const server of [first, second]) {
    const [row] = await query(server, "SELECT current_setting('server_version_num')::int / 10000 AS major");
    assert.deepEqual(row, { major: server.version });
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "uid=", "-p", String(server.pid)] })
      .output();
    const uid = Number(new TextDecoder().decode(stdout));
    if (Deno.uid() === 0) assert.notEqual(uid, 0);
    else assert.equal(uid, Deno.uid());
  }
});

Deno.test("a server can be killed and started again, frozen and thawed, and disposed of while it is frozen", async () => {
  const server = await startPostgres({ settings });
  try {
    await query(server, "CREATE TABLE kept AS SELECT 1 AS n");
    const before = await server.pids();
    assert.ok(before.length > 3);
    await server.kill("SIGKILL");
    const running = new Set((await runningProcesses()).map(({ pid }) => pid));
    assert.deepEqual(before.filter((pid) => running.has(pid)), []);
    await server.start();
    assert.deepEqual(await query(server, "SELECT n FROM kept"), [{ n: 1 }]);

    await server.kill("SIGSTOP");
    const answer = query(server, "SELECT 1 AS n");
    const first = await Promise.race([answer, timeout(300)]);
    assert.equal(first, "timeout");
    await server.kill("SIGCONT");
    assert.deepEqual(await answer, [{ n: 1 }]);
    await server.kill("SIGSTOP");
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

Deno.test("settings, pg_hba.conf and certificates are the server's", async () => {
  const certificates = new URL("../fixtures/tls/", import.meta.url).pathname;
  await using server = await startPostgres({
    settings: { ...settings, wal_level: "replica", application_name: "it's" },
    hba: "hostssl all all 127.0.0.1/32 trust\n",
    ssl: { certFile: `${certificates}server.crt`, keyFile: `${certificates}server.key` },
  });
  const plain = postgres(server.connectionString, { max: 1, ssl: false });
  await assert.rejects(() => plain`SELECT 1`, /no pg_hba.conf entry .* no encryption/);
  await plain.end();
  const secure = postgres(server.connectionString, { max: 1, ssl: "require" });
  assert.deepEqual([...await secure`SHOW wal_level`], [{ wal_level: "replica" }]);
  await secure.end();
});

Deno.test("a cluster in a folder of one's own is still there for the next server", async () => {
  const folder = await openFolder();
  const dataDirectory = join(folder, "data");
  try {
    {
      await using first = await startPostgres({ settings, dataDirectory });
      await query(first, "CREATE TABLE kept AS SELECT 1 AS n");
    }
    await using second = await startPostgres({ settings, dataDirectory });
    assert.deepEqual(await query(second, "SELECT n FROM kept"), [{ n: 1 }]);
    assert.match(await second.logText(), /database system was shut down/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a port that is taken is named, with what the server said of it", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await assert.rejects(
    () => startPostgres({ settings, port }),
    (error: Error) =>
      error.message.includes(`on port ${port}`) && error.message.includes("Address already in use"),
  );
});

Deno.test("a server ends, and its files with it, when the process that started it is killed", async () => {
  const program = `
    import { startPostgres } from ${
    JSON.stringify(new URL("../../demo/embedded_postgres.ts", import.meta.url))
  };
    const server = await startPostgres({ settings: { fsync: "off" } });
    console.log(server.pid, server.socketDirectory);
    await new Promise(() => setInterval(() => {}, 1000));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", program],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const [pid, folder] = new TextDecoder().decode(value).trim().split(" ");
  assert.ok(folder);
  assert.equal(await isRunning(Number(pid)), true);
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  await until(async () => !(await isRunning(Number(pid))), "the postmaster to end");
  await until(() => Deno.stat(folder).then(() => false, () => true), "its files to go");
});

Deno.test("processes that install PostgreSQL at once share one whole copy, and a damaged one is replaced", async () => {
  const folder = await openFolder();
  try {
    const { folder: known } = await postgresBinaries(18, () => {});
    const program = `
      import { postgresBinaries } from ${
      JSON.stringify(new URL("../../demo/postgres/binaries.ts", import.meta.url))
    };
      console.log((await postgresBinaries(18, () => {}, ${JSON.stringify(folder)})).folder);`;
    const install = async () => {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["eval", "--quiet", program],
      })
        .output();
      return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
    };
    const copies = await Promise.all([install(), install(), install()]);
    const [copy = ""] = copies;
    assert.equal(dirname(copy), folder);
    assert.deepEqual(copies, [copy, copy, copy]);
    assert.deepEqual(await tree(copy), await tree(known));
    assert.deepEqual([...Deno.readDirSync(folder)].length, 1);

    await Deno.remove(join(copy, "share/postgresql/timezonesets/Default"));
    await install();
    assert.deepEqual(await tree(copy), await tree(known));
    assert.deepEqual([...Deno.readDirSync(folder)].length, 1);

    await Deno.chmod(copy, 0o777);
    assert.match(await install(), /Cannot use .*: it belongs to somebody else, or others can write to it/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function query(server: PostgresServer, sql: string): Promise<Record<string, unknown>[]> {
  const connection = postgres(server.connectionString, { max: 1, onnotice: () => {} });
  try {
    return [...await connection.unsafe(sql)].map((row) => ({ ...row }));
  } finally {
    await connection.end();
  }
}

async function isRunning(pid: number): Promise<boolean> {
  return (await runningProcesses()).some((process) => process.pid === pid);
}

function timeout(milliseconds: number): Promise<"timeout"> {
  return new Promise((resolve) => setTimeout(() => resolve("timeout"), milliseconds));
}

/** A temporary folder that the server's user can pass through. */
async function openFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "twinrouter-test-" });
  await Deno.chmod(folder, 0o755);
  return folder;
}

/** Paths and modes of all that is in a folder. */
async function tree(folder: string, prefix = ""): Promise<string[]> {
  const entries = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    const { mode } = await Deno.stat(path);
    entries.push(`${prefix}${name} ${mode?.toString(8)}`);
    if (isDirectory) entries.push(...await tree(path, `${prefix}${name}/`));
  }
  return entries.sort();
}
