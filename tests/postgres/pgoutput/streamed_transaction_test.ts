import assert from "node:assert/strict";
import fc from "fast-check";
import { ReplicationDecoder } from "../../../src/postgres/pgoutput/replication_decoder.ts";
import type { Relation } from "../../../src/postgres/row_change.ts";
import { describeReplicated, withColumns } from "../../support/describe_replicated.ts";
import { type BuiltMessage, encodeWalMessage } from "../../support/pgoutput_builder.ts";
import {
  assemble,
  begin,
  commit,
  insert,
  message,
  refuses,
  relation,
  streamAbort,
  streamCommit,
  streamStart,
  streamStop,
} from "../../support/wal_messages.ts";

Deno.test("holds streamed transactions until they commit, others going before them", () => {
  const items = assemble([
    streamStart(8),
    relation(1, "Twin"),
    insert(1, "8a"),
    streamStop,
    streamStart(9),
    relation(1, "Twin"),
    insert(1, "9a"),
    streamStop,
    message(false),
    relation(1, "Twin"),
    begin,
    insert(1, "7a"),
    commit,
    streamStart(8, false),
    message(true),
    insert(1, "8b"),
    streamStop,
    streamCommit(9, 300n),
    streamCommit(8, 400n),
  ]);
  assert.deepEqual(describeReplicated(items), [
    "message 0 p ",
    "settle message",
    "begin",
    "insert 0 Twin: new 7a",
    "settle",
    "begin",
    "insert 0 Twin: new 9a",
    "settle",
    "begin",
    "insert 0 Twin: new 8a",
    "message 1 p ",
    "insert 2 Twin: new 8b",
    "settle",
  ]);
  assert.deepEqual(items.at(-5), { kind: "begin", transaction: { xid: 8, commitLsn: 400n, commitTime: 6n } });
  assert.deepEqual(items.at(-1), { kind: "settle", lsn: 420n, endsTransaction: true });
});

Deno.test("lets go of a streamed transaction that has committed", () => {
  refuses(/the transaction 8 has not begun/, 0, streamStart(8), streamStop, streamCommit(8), streamCommit(8));
});

Deno.test("begins a streamed transaction anew with a first segment", () => {
  const first = [streamStart(8), relation(1, "Twin"), insert(1, "a"), streamStop];
  const items = assemble([...first, ...first, streamCommit(8)]);
  assert.deepEqual(describeReplicated(items), ["begin", "insert 0 Twin: new a", "settle"]);
});

Deno.test("forgets a streamed transaction that aborts, and does not mind one that it never saw", () => {
  const messages = [
    streamStart(8),
    relation(1, "Twin"),
    insert(1, "a"),
    streamStop,
    streamAbort(8),
    streamAbort(9),
  ];
  assert.deepEqual(assemble([...messages, streamAbort(9, 10)]), []);
  refuses(/the transaction 8 has not begun/, 0, ...messages, streamCommit(8));
  refuses(/the transaction 8 has not begun/, 0, ...messages, streamStart(8, false));
});

Deno.test("knows the tables of a streamed transaction elsewhere once it has committed, and only then", () => {
  const streamed = [streamStart(8), relation(1, "Twin"), insert(1, "a"), streamStop];
  refuses(/relation 1 was never described/, 1, ...streamed, begin, insert(1, "b"));
  refuses(/relation 1 was never described/, 1, ...streamed, streamAbort(8), begin, insert(1, "b"));
  const items = assemble([...streamed, streamCommit(8), begin, insert(1, "b"), commit]);
  assert.deepEqual(describeReplicated(items).slice(3), ["begin", "insert 0 Twin: new b", "settle"]);

  const changed = assemble([
    relation(1, "Twin"),
    streamStart(8),
    relation(1, "Twin", 2),
    insert(1, "a", "b"),
    streamStop,
    begin,
    insert(1, "c"),
    commit,
    streamCommit(8),
    begin,
    insert(1, "d", "e"),
    commit,
  ]);
  assert.deepEqual(describeReplicated(changed).filter((line) => line.startsWith("insert")), [
    "insert 0 Twin: new c",
    "insert 0 Twin: new a|b",
    "insert 0 Twin: new d|e",
  ]);
});

const topXids = [100, 200, 300];

type BuiltChange = Extract<
  BuiltMessage,
  { readonly kind: "insert" | "update" | "delete" | "truncate" | "message" }
>;

/** One change of one of the transactions; `subXid` is the transaction's own, or that of one of its sub-transactions. */
interface Step {
  readonly xid: number;
  readonly subXid: number;
  readonly relationOid: number;
}

interface History {
  readonly steps: readonly Step[];
  /** Sub-transactions that are rolled back, and whole transactions. */
  readonly aborted: ReadonlySet<number>;
  /** A stream block ends after each step whose bit is set, when the next one is of the same transaction. */
  readonly cuts: readonly boolean[];
}

const histories: fc.Arbitrary<History> = fc.record({
  steps: fc.array(
    fc.record({
      xid: fc.constantFrom(...topXids),
      subXid: fc.nat({ max: 3 }),
      relationOid: fc.constantFrom(1, 2),
    }).map(({ xid, subXid, relationOid }) => ({ xid, subXid: xid + subXid, relationOid })),
    { maxLength: 40 },
  ),
  aborted: fc.uniqueArray(fc.constantFrom(...topXids.flatMap((xid) => [xid, xid + 1, xid + 2, xid + 3])), {
    maxLength: 6,
  }).map((xids) => new Set(xids)),
  cuts: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
});

Deno.test("a transaction comes out the same whether it was streamed or not", () => {
  fc.assert(
    fc.property(histories, fc.boolean(), (history, filtered) => {
      const interesting = ({ oid }: Relation) => !filtered || oid === 1;
      const decode = (messages: BuiltMessage[]) => {
        const items = new ReplicationDecoder(interesting).decode(messages.map(encodeWalMessage));
        // Only a streamed message tells its xid.
        return withColumns(items).map((item) =>
          "message" in item ? { ...item, message: { ...item.message as object, xid: undefined } } : item
        );
      };
      assert.deepEqual(decode(streamed(history)), decode(notStreamed(history)));
    }),
    { seed: 20260101, numRuns: 500 },
  );
});

/** With streaming 'off': only what survived, transaction by transaction, in commit order. */
function notStreamed({ steps, aborted }: History): BuiltMessage[] {
  const messages: BuiltMessage[] = [builtRelation(1), builtRelation(2)];
  for (const xid of committedXids(steps, aborted)) {
    const commit = commitOf(xid);
    messages.push({ kind: "begin", finalLsn: commit.commitLsn, commitTime: commit.commitTime, xid });
    for (const [index, step] of steps.entries()) {
      if (step.xid === xid && !aborted.has(step.subXid)) messages.push(change(step, index));
    }
    messages.push({ kind: "commit", ...commit });
  }
  return messages;
}

/** With streaming 'on': everything at once in blocks, then the aborts and commits. */
function streamed({ steps, aborted, cuts }: History): BuiltMessage[] {
  const messages: BuiltMessage[] = [];
  const begun = new Set<number>();
  for (const [index, step] of steps.entries()) {
    if (index === 0 || cuts[index - 1] || steps[index - 1]?.xid !== step.xid) {
      const firstSegment = !begun.has(step.xid);
      messages.push({ kind: "streamStart", xid: step.xid, firstSegment });
      if (firstSegment) {
        messages.push({ ...builtRelation(1), xid: step.subXid }, { ...builtRelation(2), xid: step.subXid });
      }
      begun.add(step.xid);
    }
    messages.push({ ...change(step, index), xid: step.subXid });
    if (cuts[index] || steps[index + 1]?.xid !== step.xid) {
      messages.push({ kind: "streamStop" });
      for (const subXid of aborted) {
        const over = !steps.some((later, at) => at > index && later.subXid === subXid);
        const seen = steps.some((earlier, at) => at <= index && earlier.subXid === subXid);
        if (over && seen && subXid !== step.xid && subXid > step.xid && subXid <= step.xid + 3) {
          messages.push({ kind: "streamAbort", xid: step.xid, subXid });
        }
      }
    }
  }
  for (const xid of begun) {
    if (aborted.has(xid)) messages.push({ kind: "streamAbort", xid, subXid: xid });
  }
  for (const xid of committedXids(steps, aborted)) {
    messages.push({ kind: "streamCommit", xid, ...commitOf(xid) });
  }
  return messages;
}

function committedXids(steps: readonly Step[], aborted: ReadonlySet<number>): number[] {
  return topXids.filter((xid) => !aborted.has(xid) && steps.some((step) => step.xid === xid));
}

function commitOf(xid: number) {
  return { flags: 0, commitLsn: BigInt(xid), endLsn: BigInt(xid + 50), commitTime: BigInt(-xid) };
}

function builtRelation(oid: number): BuiltMessage & { kind: "relation" } {
  const column = { name: "id", partOfKey: true, typeOid: 20, typeModifier: -1 };
  return {
    kind: "relation",
    oid,
    namespace: "graph",
    name: `t${oid}`,
    replicaIdentity: "full",
    columns: [column],
  };
}

/** Of each kind in turn, told apart by their index. */
function change({ relationOid }: Step, index: number): BuiltChange {
  const row = [`${index}`];
  switch (index % 5) {
    case 0:
      return { kind: "insert", relationOid, new: row };
    case 1:
      return { kind: "update", relationOid, old: row, new: row };
    case 2:
      return { kind: "delete", relationOid, key: row };
    case 3:
      return { kind: "truncate", relationOids: [1, 2], cascade: false, restartIdentity: false };
    default:
      return {
        kind: "message",
        transactional: true,
        lsn: BigInt(index),
        prefix: "p",
        content: new TextEncoder().encode(`${index}`),
      };
  }
}
