import assert from "node:assert/strict";
import type { Relation } from "../../../src/postgres/row_change.ts";
import { TransactionAssembler } from "../../../src/postgres/pgoutput/transaction_assembler.ts";
import type { WalMessage } from "../../../src/postgres/wal_message.ts";
import { describeReplicated } from "../../support/describe_replicated.ts";
import { BuiltTuple } from "../../support/pgoutput_builder.ts";
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

Deno.test("numbers inserts, updates, deletes, truncates and messages of a transaction in one row", () => {
  const row = new BuiltTuple(["a"]);
  const items = assemble([
    begin,
    relation(1, "Twin"),
    message(true),
    insert(1, "a"),
    { kind: "origin", commitLsn: 1n, name: "elsewhere" },
    { kind: "update", relationOid: 1, old: row, new: row },
    { kind: "type", oid: 25, namespace: "graph", name: "t" },
    { kind: "update", relationOid: 1, key: row, new: row },
    relation(1, "Twin"),
    { kind: "update", relationOid: 1, new: row },
    { kind: "truncate", relationOids: [1], cascade: false, restartIdentity: false },
    { kind: "delete", relationOid: 1, old: row },
    { kind: "delete", relationOid: 1, key: row },
    commit,
    begin,
    insert(1, "b"),
    commit,
  ]);
  assert.deepEqual(describeReplicated(items), [
    "begin",
    "message 0 p ",
    "insert 1 Twin: new a",
    "update 2 Twin: old a, new a",
    "update 3 Twin: key a, new a",
    "update 4 Twin: new a",
    "truncate 5 Twin",
    "delete 6 Twin: old a",
    "delete 7 Twin: key a",
    "settle",
    "begin",
    "insert 0 Twin: new b",
    "settle",
  ]);
  assert.deepEqual(items[0], { kind: "begin", transaction: { xid: 7, commitLsn: 100n, commitTime: 5n } });
  assert.deepEqual(items[9], { kind: "settle", lsn: 120n, endsTransaction: true });
});

Deno.test("confirms a message outside of a transaction as its own LSN", () => {
  const outside = message(false, 77n);
  assert.deepEqual(assemble([outside]), [
    { kind: "message", message: outside, ordinal: 0 },
    { kind: "settle", lsn: 77n, endsTransaction: false },
  ]);
});

Deno.test("gives a row its table as it was described last before it", () => {
  const items = assemble([
    begin,
    relation(1, "Twin"),
    insert(1, "a"),
    insert(1, "b"),
    { kind: "type", oid: 26, namespace: "ag_catalog", name: "agtype" },
    relation(1, "Twin", 2),
    insert(1, "c", "d"),
    commit,
  ]);
  const [first, second, third] = items.flatMap((item) => item.kind === "insert" ? [item.relation] : []);
  assert.equal(first, second);
  assert.deepEqual(first?.typeNames, [undefined]);
  assert.deepEqual(third?.typeNames, [undefined, "ag_catalog.agtype"]);
});

Deno.test("leaves out tables that are not interesting, and asks once for each description", () => {
  const asked: string[] = [];
  const interesting = ({ name }: Relation) => {
    asked.push(name);
    return name === "Twin";
  };
  const truncate: WalMessage = {
    kind: "truncate",
    relationOids: [2, 1],
    cascade: false,
    restartIdentity: false,
  };
  const items = assemble([
    begin,
    relation(1, "Twin"),
    relation(2, "other"),
    insert(2, "a"),
    insert(2, "a"),
    insert(1, "b"),
    truncate,
    { ...truncate, relationOids: [2] },
    insert(1, "c"),
    commit,
  ], interesting);
  assert.deepEqual(describeReplicated(items), [
    "begin",
    "insert 2 Twin: new b",
    "truncate 3 Twin",
    "insert 5 Twin: new c",
    "settle",
  ]);
  assert.deepEqual(asked, ["Twin", "other"]);
});

Deno.test("wants the rows of tables that it does not know, so that they are not passed over in silence", () => {
  const assembler = new TransactionAssembler(() => false);
  assert.equal(assembler.wants(1), true);
  assembler.push(relation(1, "Twin"), []);
  assert.equal(assembler.wants(1), false);
  assembler.push(streamStart(8), []);
  assert.equal(assembler.wants(1), true);
  assembler.push(streamStop, []);
  assert.equal(assembler.wants(1), false);
});

Deno.test("refuses rows that fit no table", () => {
  const row = new BuiltTuple(["a"]);
  const wide = new BuiltTuple(["a", "b"]);
  const twin = relation(17008, "Twin");
  refuses(/relation 17008 was never described/, 1, begin, insert(17008, "a"));
  refuses(/relation 17008 was never described/, 1, begin, {
    kind: "truncate",
    relationOids: [17008],
    cascade: false,
    restartIdentity: false,
  });
  refuses(/row has 2 columns, graph\.Twin 1/, 1, twin, begin, insert(17008, "a", "b"));
  refuses(/row has 0 columns, graph\.Twin 1/, 1, twin, begin, insert(17008));
  refuses(/row has 2 columns/, 1, twin, begin, { kind: "update", relationOid: 17008, old: wide, new: row });
  refuses(/row has 2 columns/, 1, twin, begin, { kind: "update", relationOid: 17008, key: wide, new: row });
  refuses(/row has 2 columns/, 1, twin, begin, { kind: "update", relationOid: 17008, old: row, new: wide });
  refuses(/row has 2 columns/, 1, twin, begin, { kind: "delete", relationOid: 17008, old: wide });
  refuses(/row has 2 columns/, 1, twin, begin, { kind: "delete", relationOid: 17008, key: wide });
  refuses(/relation 17008 was never described/, 5, twin, streamStart(8), {
    kind: "insert",
    xid: 8,
    relationOid: 17008,
    new: row,
  });
});

Deno.test("refuses messages that are out of place", () => {
  const twin = relation(1, "Twin");
  refuses(/'insert': outside of a transaction/, 0, twin, insert(1, "a"));
  refuses(/'message': outside of a transaction/, 0, message(true));
  refuses(/'message': inside of the transaction 7/, 0, begin, message(false));
  refuses(/'message': inside of a stream block of the transaction 8/, 0, streamStart(8), message(false));
  refuses(/'begin': inside of the transaction 7/, 0, begin, begin);
  refuses(/'begin': inside of a stream block/, 0, streamStart(8), begin);
  refuses(/'commit': outside of a transaction/, 0, commit);
  refuses(/'commit': it ends another transaction/, 0, begin, { ...commit, commitLsn: 101n });
  refuses(/'streamStart': inside of the transaction 7/, 0, begin, streamStart(8));
  refuses(/'streamStart': inside of a stream block/, 0, streamStart(8), streamStart(9));
  refuses(/'streamStart': the transaction 8 has not begun/, 0, streamStart(8, false));
  refuses(/'streamStop': outside of a stream block/, 0, streamStop);
  refuses(/'streamCommit': the transaction 8 has not begun/, 0, streamCommit(8));
  refuses(/'streamCommit': inside of a stream block/, 0, streamStart(8), streamCommit(8));
  refuses(/'streamAbort': inside of a stream block/, 0, streamStart(8), streamAbort(8));
});

Deno.test("refuses prepared transactions, which nobody asks for", () => {
  const prepared = { endLsn: 2n, xid: 4, gid: "gid" };
  const prepare = { ...prepared, prepareLsn: 1n, prepareTime: 3n };
  const state = /two-phase decoding was not asked for/;
  refuses(state, 0, { kind: "beginPrepare", ...prepare });
  refuses(state, 0, { kind: "prepare", flags: 0, ...prepare });
  refuses(state, 0, { kind: "streamPrepare", flags: 0, ...prepare });
  refuses(state, 0, { kind: "commitPrepared", flags: 0, commitLsn: 1n, commitTime: 3n, ...prepared });
  refuses(state, 0, {
    kind: "rollbackPrepared",
    flags: 0,
    prepareEndLsn: 1n,
    rollbackEndLsn: 2n,
    prepareTime: 3n,
    rollbackTime: 4n,
    xid: 4,
    gid: "gid",
  });
});
