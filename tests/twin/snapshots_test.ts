import assert from "node:assert/strict";
import { Metrics } from "../../src/observe/metrics.ts";
import type { Connected } from "../../src/postgres/replication/stream_chunk.ts";
import { Snapshots } from "../../src/twin/snapshots.ts";
import type { SnapshotMark, TwinItem } from "../../src/twin/twin_change.ts";
import { LogRecorder } from "../support/log_recorder.ts";

function connected(sameTimelineAsBefore: boolean): Connected {
  return {
    kind: "connected",
    systemIdentifier: "7",
    database: "twins",
    timeline: 1,
    ancestors: [],
    walEnd: 0n,
    sameTimelineAsBefore,
    confirmed: 0n,
    wasElsewhere: false,
    isReplacement: false,
    lost: new AbortController().signal,
    graphCount: 1,
    serverVersion: 180_000,
  };
}

function request(slot: string, sink: string): SnapshotMark {
  return {
    kind: "snapshot",
    message: { kind: "request", slot, id: crypto.randomUUID(), sink },
    transaction: { xid: 9, commitLsn: 100n, commitTime: 0n },
    position: { commitLsn: 100n, ordinal: 0 },
  };
}

/** What comes of a stream while there is no server that could keep anything. */
async function through(items: readonly (TwinItem | Connected)[]): Promise<string[]> {
  const settings = { slot: "age_slot" } as never;
  const refuse = ({ sink }: { sink?: string }) => sink === "Three" ? "no sink has the name Three" : undefined;
  await using snapshots = new Snapshots(
    { snapshotSql: undefined },
    { settings, metrics: new Metrics(), log: new LogRecorder(), refuse },
  );
  const batches = (async function* () {
    for (const item of items) yield [item];
  })();
  const kinds: string[] = [];
  for await (const out of snapshots.into(batches)) {
    kinds.push(...out.map((item) => item.kind === "settle" ? `${item.lsn}` : item.kind));
  }
  return kinds;
}

const settle = (lsn: bigint): TwinItem => ({ kind: "settle", lsn });

Deno.test("nothing behind a request may be confirmed until that is kept, on another timeline neither", async () => {
  const items = [settle(99n), request("age_slot", "Two"), settle(101n), connected(true), settle(120n)];
  assert.deepEqual(await through(items), ["99", "connected"]);
  assert.deepEqual(await through([...items, connected(false), settle(90n)]), [
    "99",
    "connected",
    "connected",
  ]);
});

Deno.test("a request that is another router's, or cannot be served, is waited for by nobody", async () => {
  assert.deepEqual(await through([request("other", "Two"), settle(101n)]), ["101"]);
  assert.deepEqual(await through([request("age_slot", "Three"), settle(101n)]), ["101"]);
});
