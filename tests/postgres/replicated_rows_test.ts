import assert from "node:assert/strict";
import { ProtocolError } from "../../src/postgres/protocol_error.ts";
import { replicatedRows } from "../../src/postgres/replicated_rows.ts";
import type { Connected, Payloads, StreamChunk } from "../../src/postgres/replication/stream_chunk.ts";
import { encodeWalMessage } from "../support/pgoutput_builder.ts";

const begin = encodeWalMessage({ kind: "begin", finalLsn: 0x200n, commitTime: 0n, xid: 7 });
const commit = encodeWalMessage({
  kind: "commit",
  flags: 0,
  commitLsn: 0x200n,
  endLsn: 0x230n,
  commitTime: 0n,
});
const connected: Connected = {
  kind: "connected",
  confirmed: 0n,
  wasElsewhere: false,
  isReplacement: false,
  lost: new AbortController().signal,
  systemIdentifier: "7",
  database: "twins",
  timeline: 1,
  ancestors: [],
  walEnd: 0n,
  sameTimelineAsBefore: true,
  graphCount: 1,
  serverVersion: 180_000,
};

Deno.test("a keepalive is a position to confirm between transactions, and never inside of one", async () => {
  assert.deepEqual(
    await follow(
      connected,
      keepalive(0x100n),
      payloads(begin),
      keepalive(0x250n),
      payloads(commit),
      keepalive(0x300n),
    ),
    ["connected", "settle 100", "begin", "settle 230", "settle 300"],
  );
});

Deno.test("a transaction that a lost connection has cut is over, and comes again", async () => {
  assert.deepEqual(
    await follow(
      connected,
      payloads(begin),
      connected,
      keepalive(0x100n),
      payloads(begin, commit),
    ),
    ["connected", "begin", "connected", "settle 100", "begin", "settle 230"],
  );
});

Deno.test("what makes no sense begins the stream again, after what came before it", async () => {
  assert.deepEqual(
    await follow(connected, payloads(begin, commit, Uint8Array.of(0x3f))),
    ["connected", "beginAgain", "begin", "settle 230"],
  );
});

function keepalive(walEnd: bigint): StreamChunk {
  return { kind: "keepalive", walEnd };
}

function payloads(...payloads: Uint8Array[]): Payloads {
  return { kind: "payloads", payloads };
}

/** A word for each thing that comes of the chunks. */
async function follow(...chunks: StreamChunk[]): Promise<string[]> {
  const words: string[] = [];
  const stream = {
    async *messages() {
      yield* chunks;
    },
    beginAgain(reason: unknown) {
      assert(reason instanceof ProtocolError);
      words.push("beginAgain");
    },
  };
  for await (const rows of replicatedRows(stream, new AbortController().signal)) {
    for (const row of rows) {
      words.push(row.kind === "settle" ? `settle ${row.lsn.toString(16)}` : row.kind);
    }
  }
  return words;
}
