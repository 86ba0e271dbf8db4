import assert from "node:assert/strict";
import postgres from "postgres";
import { inRepository } from "../support/repository.ts";
import { until } from "../support/until.ts";

/** `deno task demo`, in a process group of its own as in a terminal. */
class Demo implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  output = "";
  ended = false;

  constructor(...args: string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "demo", ...args],
      cwd: inRepository(),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
    void this.#child.status.then(() => this.ended = true);
  }

  /** Waits until the output matches, and gives what it matched. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await until(() => {
      match = pattern.exec(this.output);
      assert.ok(match !== null || !this.ended, `The demo ended without ${pattern}:\n${this.output}`);
      return match !== null;
    }, `${pattern} in the demo's output`);
    return match ?? assert.fail();
  }

  /** As Ctrl-C does: everybody in the group is told, and `deno task` passes on what it was told. */
  interrupt(): void {
    Deno.kill(-this.#child.pid, "SIGINT");
  }

  async exitCode(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.ended) Deno.kill(-this.#child.pid, "SIGKILL");
    await this.exitCode();
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
  }
}

Deno.test("the demo shows all six types of events within ten seconds, and what is changed by the SQL that it prints", async () => {
  await using demo = new Demo("--for", "10s", "--seed", "1");
  const [, url = ""] = await demo.shows(/psql (postgres:\S+)\n/);
  const [, update = ""] = await demo.shows(/(UPDATE[^;]+);/);
  const sql = postgres(url, { max: 1 });
  assert.equal((await sql.unsafe(update)).count, 1);
  await sql.end();
  await demo.shows(/~ Twin\.Update +room-101 .*\/temperature = 30\.0/);

  assert.equal(await demo.exitCode(), 0, demo.output);
  const [, changes, events] = await demo.shows(/10\.\d s: (\d+) changes written, (\d+) events delivered\n/);
  assert.equal(Number(events), Number(changes) + 1, "the demo's own changes, and the one from outside");
  for (const kind of ["Twin", "Relationship"]) {
    for (const action of ["Create", "Update", "Delete"]) {
      await demo.shows(new RegExp(`\\d +[-+~] ${kind}\\.${action} `));
      await demo.shows(new RegExp(`${kind}\\.${action} +[1-9]`));
    }
  }
  await demo.shows(/median \d+\.\d ms, p99 \d+\.\d ms/);
  await demo.shows(/WAL confirmed +up to [0-9A-F]+\/[0-9A-F]+, all that was delivered\n/);
});

Deno.test("the demo ends with its summary when it is interrupted", async () => {
  await using demo = new Demo("--seed", "2");
  const [, url = ""] = await demo.shows(/psql (postgres:\S+)\n/);
  await demo.shows(/~ Twin\.Update/);
  demo.interrupt();
  assert.equal(await demo.exitCode(), 0, demo.output);
  await demo.shows(/Commit to delivered/);
  const sql = postgres(url, { max: 1, connect_timeout: 2 });
  await assert.rejects(() => sql`SELECT 1`, /ECONNREFUSED/);
  await sql.end();
});
