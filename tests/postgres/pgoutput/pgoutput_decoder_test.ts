import assert from "node:assert/strict";
import { PgoutputDecoder } from "../../../src/postgres/pgoutput/pgoutput_decoder.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import type { WalMessage } from "../../../src/postgres/wal_message.ts";
import { type BuiltMessage, builtOf, encodeWalMessage } from "../../support/pgoutput_builder.ts";

// Written byte for byte from https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html:
// `'text'` is text, the rest is hexadecimal.
const messages: readonly (readonly [bytes: string, message: BuiltMessage])[] = [
  [
    "'B' 0000000001f19ef0 000303e65883b90a 0000030a",
    { kind: "begin", finalLsn: 0x1f19ef0n, commitTime: 0x303e65883b90an, xid: 778 },
  ],
  [
    "'C' 00 0000000001f19ef0 0000000001f19f20 ffffffffffffffff",
    { kind: "commit", flags: 0, commitLsn: 0x1f19ef0n, endLsn: 0x1f19f20n, commitTime: -1n },
  ],
  ["'O' ffffffffffffffff 'node_a' 00", { kind: "origin", commitLsn: 0xffffffffffffffffn, name: "node_a" }],
  [
    "'R' 00004270 'graph' 00 'Twin' 00 'f' 0002  01 'id' 00 00004024 ffffffff  00 'note' 00 80000019 00000040",
    {
      kind: "relation",
      oid: 17008,
      namespace: "graph",
      name: "Twin",
      replicaIdentity: "full",
      columns: [
        { name: "id", partOfKey: true, typeOid: 16420, typeModifier: -1 },
        { name: "note", partOfKey: false, typeOid: 0x80000019, typeModifier: 64 },
      ],
    },
  ],
  [
    "'R' ffffffff 00 'pg_x' 00 'n' 0000",
    {
      kind: "relation",
      oid: 0xffffffff,
      namespace: "pg_catalog",
      name: "pg_x",
      replicaIdentity: "nothing",
      columns: [],
    },
  ],
  ["'Y' 00004044 'ag_catalog' 00 'agtype' 00", {
    kind: "type",
    oid: 16452,
    namespace: "ag_catalog",
    name: "agtype",
  }],
  ["'Y' 0000400a 00 'int4' 00", { kind: "type", oid: 16394, namespace: "pg_catalog", name: "int4" }],
  [
    "'I' 00004270 'N' 0005  't' 00000002 'ab'  'n'  'u'  'b' 00000002 00ff  't' 00000000",
    { kind: "insert", relationOid: 17008, new: ["ab", null, undefined, new Uint8Array([0, 255]), ""] },
  ],
  ["'I' 00004270 'N' 0000", { kind: "insert", relationOid: 17008, new: [] }],
  ["'U' 00004270 'N' 0001 't' 00000001 'b'", { kind: "update", relationOid: 17008, new: ["b"] }],
  [
    "'U' 00004270 'O' 0001 't' 00000001 'a' 'N' 0001 't' 00000001 'b'",
    { kind: "update", relationOid: 17008, old: ["a"], new: ["b"] },
  ],
  [
    "'U' 00004270 'K' 0002 't' 00000001 'a' 'n' 'N' 0002 't' 00000001 'b' 'u'",
    { kind: "update", relationOid: 17008, key: ["a", null], new: ["b", undefined] },
  ],
  ["'D' 00004270 'O' 0001 't' 00000001 'a'", { kind: "delete", relationOid: 17008, old: ["a"] }],
  ["'D' 00004270 'K' 0002 't' 00000001 'a' 'n'", { kind: "delete", relationOid: 17008, key: ["a", null] }],
  [
    "'T' 00000002 02 00000001 ffffffff",
    { kind: "truncate", relationOids: [1, 0xffffffff], cascade: false, restartIdentity: true },
  ],
  ["'T' 00000000 01", { kind: "truncate", relationOids: [], cascade: true, restartIdentity: false }],
  [
    "'M' 01 0000000001f69c38 'prefix' 00 00000004 00ff 'hi'",
    {
      kind: "message",
      transactional: true,
      lsn: 0x1f69c38n,
      prefix: "prefix",
      content: new Uint8Array([0, 255, 0x68, 0x69]),
    },
  ],
  [
    "'M' 00 0000000000000001 00 00000000",
    { kind: "message", transactional: false, lsn: 1n, prefix: "", content: new Uint8Array(0) },
  ],
  [
    "'c' 00000337 00 0000000001fa8880 0000000001fa88b8 000303e65883b90a",
    {
      kind: "streamCommit",
      xid: 823,
      flags: 0,
      commitLsn: 0x1fa8880n,
      endLsn: 0x1fa88b8n,
      commitTime: 0x303e65883b90an,
    },
  ],
  ["'A' 00000337 00000338", { kind: "streamAbort", xid: 823, subXid: 824 }],
  [
    "'A' 00000337 00000337 0000000001fa8880 000303e65883b90a",
    { kind: "streamAbort", xid: 823, subXid: 823, abortLsn: 0x1fa8880n, abortTime: 0x303e65883b90an },
  ],
  [
    "'b' 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00",
    { kind: "beginPrepare", prepareLsn: 1n, endLsn: 2n, prepareTime: 3n, xid: 4, gid: "gid" },
  ],
  [
    "'P' 00 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00",
    { kind: "prepare", flags: 0, prepareLsn: 1n, endLsn: 2n, prepareTime: 3n, xid: 4, gid: "gid" },
  ],
  [
    "'p' 00 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00",
    { kind: "streamPrepare", flags: 0, prepareLsn: 1n, endLsn: 2n, prepareTime: 3n, xid: 4, gid: "gid" },
  ],
  [
    "'K' 00 0000000000000001 0000000000000002 0000000000000003 00000004 'gid' 00",
    { kind: "commitPrepared", flags: 0, commitLsn: 1n, endLsn: 2n, commitTime: 3n, xid: 4, gid: "gid" },
  ],
  [
    "'r' 00 0000000000000001 0000000000000002 0000000000000003 0000000000000004 00000005 'gid' 00",
    {
      kind: "rollbackPrepared",
      flags: 0,
      prepareEndLsn: 1n,
      rollbackEndLsn: 2n,
      prepareTime: 3n,
      rollbackTime: 4n,
      xid: 5,
      gid: "gid",
    },
  ],
];

for (const [text, message] of messages) {
  Deno.test(`reads and the builder writes ${message.kind}: ${text}`, () => {
    const payload = bytesOf(text);
    assert.deepEqual(decodedAs(new PgoutputDecoder(), payload), message);
    assert.deepEqual(encodeWalMessage(message), payload);
    for (let length = 0; length < payload.length; length++) {
      // A Stream Abort is whole without its last two fields.
      if (message.kind === "streamAbort" && length === 9) continue;
      failsWithin(payload.subarray(0, length));
    }
    failsWithin(new Uint8Array([...payload, 0]));
  });
}

Deno.test("reads an xid before the content of a message, inside of a stream block and only there", () => {
  const decoder = new PgoutputDecoder();
  const withoutXid = bytesOf("'I' 00004270 'N' 0001 't' 00000001 'a'");
  const insert: BuiltMessage = { kind: "insert", relationOid: 17008, new: ["a"] };
  assert.deepEqual(decodedAs(decoder, withoutXid), insert);

  assert.deepEqual(decodedAs(decoder, bytesOf("'S' 00000337 01")), {
    kind: "streamStart",
    xid: 823,
    firstSegment: true,
  });
  assert.deepEqual(decodedAs(decoder, bytesOf("'O' 0000000000000001 'node_a' 00")), {
    kind: "origin",
    commitLsn: 1n,
    name: "node_a",
  });
  for (const [text, message] of messages) {
    switch (message.kind) {
      case "insert":
      case "update":
      case "delete":
      case "truncate":
      case "message":
      case "relation":
      case "type": {
        const payload = bytesOf(text.slice(0, 3) + " fffffffe " + text.slice(3));
        assert.deepEqual(decodedAs(decoder, payload), { ...message, xid: 0xfffffffe });
        assert.deepEqual(encodeWalMessage({ ...message, xid: 0xfffffffe }), payload);
      }
    }
  }
  assert.deepEqual(decodedAs(decoder, bytesOf("'E'")), { kind: "streamStop" });
  assert.deepEqual(decodedAs(decoder, withoutXid), insert);
  assert.deepEqual(decodedAs(decoder, bytesOf("'S' 00000337 00")), {
    kind: "streamStart",
    xid: 823,
    firstSegment: false,
  });
});

Deno.test("names the byte at which a message stops making sense", () => {
  failsAt(0, "");
  failsAt(0, "'Z'");
  failsAt(0, "'i'");
  failsAt(5, "'I' 00004270 'O' 0000");
  failsAt(5, "'U' 00004270 'X' 0000");
  failsAt(8, "'U' 00004270 'K' 0000 'O' 0000");
  failsAt(5, "'D' 00004270 'N' 0000");
  failsAt(6, "'I' 00004270 'N' ffff");
  failsAt(8, "'I' 00004270 'N' 0001 'x' 00000000");
  failsAt(13, "'I' 00004270 'N' 0001 't' ffffffff");
  failsAt(13, "'I' 00004270 'N' 0001 't' 00000002 'a'");
  failsAt(14, "'I' 00004270 'N' 0001 't' 00000001 'a' 00");
  failsAt(8, "'R' 00004270 'g' 00 00 'x' 0000");
  failsAt(9, "'R' 00004270 'g' 00 00 'f' fffe");
  failsAt(1, "'T' ffffffff 00");
  failsAt(10, "'T' 7fffffff 00 00000001");
  failsAt(15, "'M' 00 0000000000000001 00 ffffffff");
  failsAt(9, "'O' 0000000000000001 'node_a'");
});

Deno.test("keeps views of the payload, except inside of a stream block", () => {
  const decoder = new PgoutputDecoder();
  const chunk = new Uint8Array(100);
  const receive = (text: string): Uint8Array => {
    const payload = bytesOf(text);
    chunk.set(payload, 50);
    return chunk.subarray(50, 50 + payload.length);
  };
  const inserted = decoder.decode(receive("'I' 00004270 'N' 0001 't' 00000001 'a'"));
  assert.equal(inserted.kind === "insert" && inserted.new.bytes(0)?.buffer, chunk.buffer);
  const message = decoder.decode(receive("'M' 00 0000000000000001 00 00000002 'hi'"));
  assert.equal(message.kind === "message" && message.content.buffer, chunk.buffer);

  decoder.decode(receive("'S' 00000337 01"));
  const held = decoder.decode(receive("'I' 00000337 00004270 'N' 0001 't' 00000001 'a'"));
  chunk.fill(0xff);
  assert.equal(held.kind === "insert" && held.new.text(0), "a");
});

Deno.test("skips the rows of a relation that nobody wants without looking at them", () => {
  const asked: number[] = [];
  const decoder = new PgoutputDecoder({
    wants: (oid) => {
      asked.push(oid);
      return oid !== 17008;
    },
  });
  assert.deepEqual(decoder.decode(bytesOf("'I' 00004270 'N' nonsense".replace("nonsense", "ffff"))), {
    kind: "skippedRow",
  });
  assert.deepEqual(decoder.decode(bytesOf("'U' 00004270")), { kind: "skippedRow" });
  assert.deepEqual(decoder.decode(bytesOf("'D' 00004270 00")), { kind: "skippedRow" });
  assert.equal(decodedAs(decoder, bytesOf("'I' 00004271 'N' 0000")).kind, "insert");
  assert.equal(decodedAs(decoder, bytesOf("'T' 00000001 00 00004270")).kind, "truncate");
  assert.throws(() => decoder.decode(bytesOf("'I' 0000")), ProtocolError);
  decoder.decode(bytesOf("'S' 00000337 01"));
  assert.deepEqual(decoder.decode(bytesOf("'D' 00000338 00004270")), { kind: "skippedRow", xid: 824 });
  assert.deepEqual(asked, [17008, 17008, 17008, 17009, 17008]);
});

function decodedAs(decoder: PgoutputDecoder, payload: Uint8Array): BuiltMessage {
  return builtOf(decoder.decode(payload) as WalMessage);
}

function failsWithin(payload: Uint8Array): void {
  assert.throws(() => new PgoutputDecoder().decode(payload), (error: unknown) => {
    assert.equal(error instanceof ProtocolError, true, `${error}`);
    const { offset } = error as ProtocolError;
    assert.equal(
      offset >= 0 && offset <= payload.length,
      true,
      `${offset} is outside of ${payload.length} bytes`,
    );
    return true;
  });
}

function failsAt(offset: number, text: string): void {
  assert.throws(
    () => new PgoutputDecoder().decode(bytesOf(text)),
    (error: unknown) => error instanceof ProtocolError && error.offset === offset || `${text}: ${error}`,
  );
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const parts = text.match(/'[^']*'|[0-9a-f]+/g) ?? [];
  return Uint8Array.from(parts.flatMap((part) => [
    ...part.startsWith("'") ? encoder.encode(part.slice(1, -1)) : Uint8Array.fromHex(part),
  ]));
}
