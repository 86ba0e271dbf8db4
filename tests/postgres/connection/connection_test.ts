import assert from "node:assert/strict";
import type { Connection } from "../../../src/postgres/connection/connection.ts";
import { openConnection } from "../../../src/postgres/connection/open_connection.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import { ServerError } from "../../../src/postgres/connection/server_error.ts";
import {
  commandComplete,
  copyBothResponse,
  copyData,
  copyDone,
  errorResponse,
  type FakeBackend,
  FakePostgres,
  message,
  parameterStatus,
  readyForQuery,
} from "../../support/fake_postgres.ts";
import { until } from "../../support/until.ts";

const signal = new AbortController().signal;
const decoder = new TextDecoder();

/** Runs `use` on a connection to a server that, once it has let it in, behaves as `serve` says. */
async function withConnection(
  serve: (backend: FakeBackend) => Promise<void>,
  use: (connection: Connection) => Promise<void>,
): Promise<void> {
  await using server = new FakePostgres(async (backend) => {
    await backend.letIn();
    await serve(backend);
    while (await backend.readMessage());
  });
  await using connection = await openConnection(server.options(), {}, signal);
  await use(connection);
}

function rowDescription(...columns: string[]): Uint8Array {
  return message("T", (body) => {
    body.int16(columns.length);
    for (const name of columns) body.cString(name).bytes(new Uint8Array(18));
    return body;
  });
}

function dataRow(...values: (string | null)[]): Uint8Array {
  return message("D", (body) => {
    body.int16(values.length);
    for (const value of values) {
      if (value === null) body.int32(-1);
      else body.counted(new TextEncoder().encode(value));
    }
    return body;
  });
}

async function expectQuery(backend: FakeBackend, sql: string): Promise<void> {
  const asked = await backend.readMessage();
  assert.deepEqual([asked?.type, decoder.decode(asked?.body)], ["Q", `${sql}\0`]);
}

async function startCopy(backend: FakeBackend): Promise<void> {
  await expectQuery(backend, "START");
  await backend.send(copyBothResponse());
}

/** What the next read gives, as text. */
async function readTexts(
  reading: AsyncGenerator<readonly Uint8Array[], void, void>,
): Promise<string[] | "end"> {
  const { done, value } = await reading.next();
  return done ? "end" : value.map((payload) => decoder.decode(payload));
}

Deno.test("returns the rows of the last result, as text", async () => {
  await withConnection(async (backend) => {
    await expectQuery(backend, "SELECT 1; SELECT 2");
    await backend.send(rowDescription("a"), dataRow("1"), commandComplete("SELECT 1"));
    await backend.send(
      rowDescription("a", "ü"),
      dataRow("2", null),
      dataRow("", "€"),
      commandComplete("SELECT 2"),
    );
    await backend.send(readyForQuery());
    await expectQuery(backend, "");
    await backend.send(message("I"), readyForQuery());
  }, async (connection) => {
    assert.deepEqual(await connection.query("SELECT 1; SELECT 2"), [{ a: "2", ü: null }, { a: "", ü: "€" }]);
    assert.deepEqual(await connection.query(""), []);
  });
});

Deno.test("throws the server's error, and is good for the next query", async () => {
  await withConnection(async (backend) => {
    await expectQuery(backend, "DROP x");
    await backend.send(errorResponse("42601", "syntax error"), readyForQuery());
    await expectQuery(backend, "START");
    await backend.send(errorResponse("55006", "slot is active"), readyForQuery());
    await expectQuery(backend, "SELECT 1");
    await backend.send(rowDescription("a"), dataRow("1"), commandComplete("SELECT 1"), readyForQuery());
  }, async (connection) => {
    await assert.rejects(connection.query("DROP x"), {
      name: "ServerError",
      code: "42601",
      message: "syntax error",
    });
    await assert.rejects(connection.copyBoth("START"), { name: "ServerError", code: "55006" });
    assert.deepEqual(await connection.query("SELECT 1"), [{ a: "1" }]);
  });
});

Deno.test("takes what may come at any time wherever it comes", async () => {
  const notice = message("N", (body) => body.character("M").cString("by the way").uint8(0));
  const notification = message("A", (body) => body.int32(1).cString("channel").cString("payload"));
  await withConnection(async (backend) => {
    await expectQuery(backend, "SELECT 1");
    await backend.send(
      notice,
      rowDescription("a"),
      parameterStatus("TimeZone", "UTC"),
      dataRow("1"),
      notification,
    );
    await backend.send(commandComplete("SELECT 1"), readyForQuery(), notice);
    await startCopy(backend);
    await backend.send(
      copyData("a"),
      notice,
      parameterStatus("in_hot_standby", "on"),
      copyData("b"),
      copyDone(),
    );
  }, async (connection) => {
    assert.deepEqual(await connection.query("SELECT 1"), [{ a: "1" }]);
    assert.equal(connection.parameters.get("TimeZone"), "UTC");
    const copy = await connection.copyBoth("START");
    const received = (await Array.fromAsync(copy.read(signal))).flat().map((payload) =>
      decoder.decode(payload)
    );
    assert.deepEqual(received, ["a", "b"]);
    assert.equal(connection.parameters.get("in_hot_standby"), "on");
  });
});

Deno.test("runs one thing at a time", async () => {
  await withConnection(async (backend) => {
    await expectQuery(backend, "SELECT 1");
    await backend.send(readyForQuery());
    await startCopy(backend);
  }, async (connection) => {
    const first = connection.query("SELECT 1");
    await assert.rejects(
      connection.query("SELECT 2"),
      /^Error: Cannot use the connection to .*: a query is using it$/,
    );
    await first;
    await connection.copyBoth("START");
    await assert.rejects(connection.query("SELECT 2"), /: a copy is using it$/);
  });
});

Deno.test("says when the connection is lost, and goes on saying so", async () => {
  await using server = new FakePostgres(async (backend) => {
    await backend.letIn();
    await backend.readMessage();
  });
  await using connection = await openConnection(server.options(), {}, signal);
  const lost = /^Error: Cannot read from 127\.0\.0\.1:\d+: (the connection was closed|read ECONNRESET)$/;
  await assert.rejects(connection.query("SELECT 1"), lost);
  await assert.rejects(connection.query("SELECT 1"), lost);
});

Deno.test("says why the server ended the session, if it said so before", async () => {
  await using server = new FakePostgres(async (backend, connectionNumber) => {
    await backend.letIn();
    if (connectionNumber === 2) await startCopy(backend);
    await backend.readMessage();
    await backend.send(errorResponse("57P01", "terminating connection"));
  });
  const expected = { name: "ServerError", code: "57P01" };
  await using querying = await openConnection(server.options(), {}, signal);
  await assert.rejects(querying.query("SELECT 1"), expected);
  await assert.rejects(querying.query("SELECT 1"), /the connection was closed/);
  await using starting = await openConnection(server.options(), {}, signal);
  await assert.rejects(starting.copyBoth("START"), expected);
  await using ending = await openConnection(server.options(), {}, signal);
  await assert.rejects((await ending.copyBoth("START")).end(signal), expected);
});

Deno.test("closes on a message that does not belong there, or whose length is absurd", async () => {
  for (
    const answer of [
      message("9"),
      copyData("x"),
      message("T"),
      new Uint8Array([0x44, 0x7f, 0xff, 0xff, 0xff]),
    ]
  ) {
    await withConnection(async (backend) => {
      await backend.readMessage();
      await backend.send(answer);
    }, async (connection) => {
      await assert.rejects(connection.query("SELECT 1"), ProtocolError);
      await assert.rejects(connection.query("SELECT 1"), /closed|length/);
    });
  }
});

Deno.test("cancels at the server what it no longer waits for", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const cancelled = Promise.withResolvers<string>();
  await using server = new FakePostgres(async (backend, connectionNumber) => {
    if (connectionNumber === 1) return cancelled.resolve((await backend.readUntyped()).toHex());
    await backend.letIn();
    await backend.readMessage();
    abort.abort(reason);
    await backend.readMessage();
  });
  await using connection = await openConnection(server.options(), {}, signal);
  await assert.rejects(connection.query("SELECT pg_sleep(1000)", abort.signal), (error) => error === reason);
  // CancelRequest: its code, the process id 4711 and the key 1.
  assert.equal(await cancelled.promise, "04d2162e0000126700000001");
  await assert.rejects(connection.query("SELECT 1"), /the connection was closed/);
});

Deno.test("gives the payloads of a copy in order, wherever they are cut, and all that one read completed", async () => {
  const sent = Promise.withResolvers<void>();
  await withConnection(async (backend) => {
    await startCopy(backend);
    const [one, two, three] = [copyData("one"), copyData(""), copyData("three")];
    await backend.send(Uint8Array.from([...one, ...two, ...three.subarray(0, 7)]));
    await sent.promise;
    await backend.send(Uint8Array.from([...three.subarray(7), ...copyData("four"), ...copyDone()]));
  }, async (connection) => {
    const copy = await connection.copyBoth("START");
    const reading = copy.read(signal);
    assert.deepEqual(await readTexts(reading), ["one", ""]);
    sent.resolve();
    assert.deepEqual(await readTexts(reading), ["three", "four"]);
    assert.equal(await readTexts(reading), "end");
    assert.equal(await readTexts(copy.read(signal)), "end");
  });
});

Deno.test("reads on after an abort, and after a reader that stopped, without missing anything", async () => {
  const step = Promise.withResolvers<void>();
  await withConnection(async (backend) => {
    await startCopy(backend);
    await step.promise;
    await backend.send(copyData("one"));
    await backend.readMessage();
    await backend.send(copyData("two"));
  }, async (connection) => {
    const copy = await connection.copyBoth("START");
    const abort = new AbortController();
    const reason = new Error("enough");
    const reading = copy.read(abort.signal).next();
    abort.abort(reason);
    await assert.rejects(reading, (error) => error === reason);
    await assert.rejects(copy.read(abort.signal).next(), (error) => error === reason);
    step.resolve();
    for await (const payloads of copy.read(signal)) {
      assert.deepEqual(payloads.map((payload) => decoder.decode(payload)), ["one"]);
      break;
    }
    copy.write(new TextEncoder().encode("more"));
    assert.deepEqual(await readTexts(copy.read(signal)), ["two"]);
  });
});

Deno.test("sends while nobody reads, and loses nothing of what the server could not get rid of meanwhile", async () => {
  const payload = new Uint8Array(16 * 1024).fill(7);
  const count = 2048; // 32 MiB: more than the kernel buffers
  const heard = Promise.withResolvers<string>();
  let isAllSent = false;
  await withConnection(async (backend) => {
    await startCopy(backend);
    await backend.send(copyData(payload));
    heard.resolve(decoder.decode((await backend.readMessage())?.body));
    for (let index = 1; index < count; index++) await backend.send(copyData(payload));
    isAllSent = true;
    await backend.send(copyDone());
  }, async (connection) => {
    const copy = await connection.copyBoth("START");
    copy.write(new TextEncoder().encode("still alive"));
    assert.equal(await heard.promise, "still alive");
    let received = 0;
    for await (const payloads of copy.read(signal)) {
      assert.ok(!isAllSent || received > 0, "the server should have had to wait for the reader");
      for (const each of payloads) {
        assert.equal(each.length, payload.length);
        received++;
      }
    }
    assert.equal(received, count);
  });
});

Deno.test("keeps what it has given as it was, whatever comes after it", async () => {
  const count = 20_000;
  await withConnection(async (backend) => {
    await startCopy(backend);
    for (let index = 0; index < count; index++) await backend.send(copyData(`payload ${index}`));
    await backend.send(copyDone());
  }, async (connection) => {
    const copy = await connection.copyBoth("START");
    const kept = (await Array.fromAsync(copy.read(signal))).flat();
    assert.equal(kept.length, count);
    for (const [index, payload] of kept.entries()) assert.equal(decoder.decode(payload), `payload ${index}`);
  });
});

Deno.test("ends a copy from this side, drops what still comes, and is good for the next query", async () => {
  await withConnection(async (backend) => {
    await startCopy(backend);
    assert.equal(decoder.decode((await backend.readMessage())?.body), "status");
    await backend.send(copyData("one"), copyData("two"));
    assert.equal((await backend.readMessage())?.type, "c");
    await backend.send(copyData("three"), copyDone(), commandComplete("COPY 0"), readyForQuery());
    await expectQuery(backend, "SELECT 1");
    await backend.send(rowDescription("a"), dataRow("1"), commandComplete("SELECT 1"), readyForQuery());
  }, async (connection) => {
    const copy = await connection.copyBoth("START");
    copy.write(new TextEncoder().encode("status"));
    await copy.end(signal);
    await copy.end(signal);
    assert.equal(await readTexts(copy.read(signal)), "end");
    assert.deepEqual(await connection.query("SELECT 1"), [{ a: "1" }]);
  });
});

Deno.test("goes on ending a copy where an abort has stopped it", async () => {
  const done = Promise.withResolvers<void>();
  const abort = new AbortController();
  await withConnection(async (backend) => {
    await startCopy(backend);
    assert.equal((await backend.readMessage())?.type, "c");
    abort.abort();
    await done.promise;
    await backend.send(copyDone(), commandComplete("COPY 0"), readyForQuery());
    await expectQuery(backend, "SELECT 1");
    await backend.send(readyForQuery());
  }, async (connection) => {
    const copy = await connection.copyBoth("START");
    await assert.rejects(copy.end(abort.signal), { name: "AbortError" });
    done.resolve();
    await copy.end(signal);
    await connection.query("SELECT 1");
  });
});

Deno.test("gives all that came before the end, however the server ends the copy", async () => {
  const endings: [Uint8Array[], ((error: unknown) => boolean) | undefined][] = [
    [[copyDone()], undefined],
    [[commandComplete("COPY 0")], undefined], // as PostgreSQL does when it is shut down
    [
      [errorResponse("57P01", "terminating connection")],
      (error) => error instanceof ServerError && error.code === "57P01",
    ],
    [[readyForQuery()], (error) => error instanceof ProtocolError],
    [[], (error) => /Cannot read from .*: (the connection was closed|read ECONNRESET)/.test(String(error))],
  ];
  for (const [ending, expected] of endings) {
    await using server = new FakePostgres(async (backend) => {
      await backend.letIn();
      await startCopy(backend);
      await backend.send(copyData("one"), ...ending);
    });
    await using connection = await openConnection(server.options(), {}, signal);
    const copy = await connection.copyBoth("START");
    const reading = copy.read(signal);
    assert.deepEqual(await readTexts(reading), ["one"]);
    if (expected) await assert.rejects(readTexts(reading), expected);
    else assert.equal(await readTexts(reading), "end");
    copy.write(new Uint8Array(1)); // to nobody
    await assert.rejects(copy.end(signal), /Cannot read from/);
  }
});

Deno.test("closes even on a server that no longer takes anything", async () => {
  const over = Promise.withResolvers<void>();
  await using server = new FakePostgres(async (backend) => {
    await backend.letIn();
    await startCopy(backend);
    await over.promise;
  });
  const connection = await openConnection(server.options(), {}, signal);
  const copy = await connection.copyBoth("START");
  for (let index = 0; index < 64; index++) copy.write(new Uint8Array(1024 * 1024));
  let isClosed = false;
  const closing = connection[Symbol.asyncDispose]().then(() => isClosed = true);
  await until(() => isClosed, "the connection to be closed");
  await closing;
  await connection[Symbol.asyncDispose]();
  over.resolve();
});
