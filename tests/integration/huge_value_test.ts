import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";

const LENGTH = 200_000_000;
const METADATA = '"$metadata": {"$model": "dtmi:example:Room;1"}';

/** Somewhat more than docs/delivery.md says of the memory that a large value takes. */
const MEMORY = 20 * LENGTH;

Deno.test("a twin of 200 MB reaches who takes it, is a dead letter for who does not, and stops nothing", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  await using receiver = new CountingReceiver((type, bytes) =>
    type.endsWith(".Update") && bytes > LENGTH ? 413 : 204
  );
  const archive = `${folder.path}/archive.ndjson`;
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: database.server.connectionString },
    eventSinks: {
      file: [{ name: "Archive", path: archive }],
      webhook: [{ name: "Hook", url: receiver.url, contentMode: "binary", timeout: "120s" }],
    },
    eventRoutes: [
      { sinkName: "Archive" },
      { sinkName: "Archive", eventFormat: "Telemetry" },
      { sinkName: "Hook" },
    ],
  });
  await router.untilReadyIs(200);
  // Each in one transaction.
  await database.sql.unsafe(
    `${insert("first")} ${insert("huge", large("0123456789"))} ${insert("second")}`,
  );
  await database.untilConfirmed();
  await database.sql.unsafe(`${insert("third")}
    UPDATE digitaltwins."Twin" SET properties = (${
    properties("huge", large("012345678é"))
  })::ag_catalog.agtype
    WHERE ctid = (SELECT ctid FROM digitaltwins."Twin" ORDER BY ctid OFFSET 1 LIMIT 1);
    ${insert("fourth")}`);
  await database.untilConfirmed();
  await database.sql.unsafe(`
    SELECT pg_logical_emit_message(true, 'digitaltwins_telemetry',
      '{"digitalTwinId": "huge", "messageId": "1", "graphName": "digitaltwins", "telemetry": {"a":"' ||
      ${large("01234567\\\\n")} || '"}}');
    ${insert("fifth")}`);
  await database.untilConfirmed();

  const subjects = ["first", "huge", "second", "third", "huge", "fourth", "huge", "fifth"];
  assert.deepEqual(await subjectsIn(archive), subjects);
  assert.deepEqual(receiver.subjects, ["first", "huge", "second", "third", "fourth", "fifth"]);
  const [letter, ...others] = await database.sql`
    SELECT sink_name AS sink, error_kind AS kind, event::json ->> 'subject' AS subject,
      octet_length(event) > ${LENGTH} AS whole, payload ->> 'data' AS data
    FROM digitaltwins_eventing.dead_letter_queue`;
  assert.deepEqual(letter, { sink: "Hook", kind: "rejected", subject: "huge", whole: true, data: null });
  assert.deepEqual(others, []);
  const peak = await router.peakResidentBytes();
  assert(peak < MEMORY, `${Math.round(peak / 1_000_000)} MB were resident`);
  assert.equal(await router.stop(), 0);
});

/** SQL of a text that long, made of ten characters. */
function large(part: string): string {
  return `repeat('${part}', ${LENGTH / 10})`;
}

/** SQL of a twin's properties, `text` being SQL, too. */
function properties(id: string, text: string): string {
  return `'{"$dtId": "${id}", ${METADATA}, "text": "' || ${text} || '"}'`;
}

function insert(id: string, text = "''"): string {
  return `INSERT INTO digitaltwins."Twin" (properties) VALUES ((${
    properties(id, text)
  })::ag_catalog.agtype);`;
}

/** Takes events in binary mode, and keeps no more of them than who they are about. */
class CountingReceiver implements AsyncDisposable {
  /** Of what it has taken, in order. */
  readonly subjects: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(statusOf: (type: string, bytes: number) => number) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      let bytes = 0;
      for await (const part of request.body ?? []) bytes += part.length;
      const status = statusOf(request.headers.get("ce-type") ?? "", bytes);
      if (request.method === "POST" && status === 204) {
        this.subjects.push(request.headers.get("ce-subject") ?? "");
      }
      return new Response(null, { status });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Of a file of events, no line of which is read as a whole: who it is about stands in front. */
async function subjectsIn(path: string): Promise<string[]> {
  const subjects: string[] = [];
  let line = "";
  for await (const chunk of (await Deno.open(path)).readable) {
    const [rest = "", ...next] = Buffer.from(chunk).toString("latin1").split("\n");
    if (line.length < 1_000) line += rest;
    for (const begun of next) {
      subjects.push(/"subject":"(\w+)"/.exec(line)?.[1] ?? line);
      line = begun;
    }
  }
  return subjects;
}
