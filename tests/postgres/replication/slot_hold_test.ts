import assert from "node:assert/strict";
import type { Sql } from "../../../src/postgres/connection/sql.ts";
import { SlotHold, SlotTakenError } from "../../../src/postgres/replication/slot_hold.ts";
import { thisMoment } from "../../../src/postgres/replication/slot_lease.ts";
import type { Source } from "../../../src/postgres/replication/source.ts";

const OURS = 4711;

const SLOT = {
  plugin: "pgoutput",
  database: "twins",
  confirmed_flush_lsn: null,
  restart_lsn: null,
  wal_status: "reserved",
  safe_wal_size: null,
};

/** A hold on a slot whose server answers only when a test says who has it. */
function held() {
  const questions: PromiseWithResolvers<unknown[]>[] = [];
  const sql = (() => {
    const question = Promise.withResolvers<unknown[]>();
    questions.push(question);
    return question.promise;
  }) as unknown as Sql;
  const source = { sql, connection: { processId: OURS }, walSenderTimeout: 60_000 } as unknown as Source;
  const hold = new SlotHold(source, "age_slot", thisMoment());
  hold.readOn();
  return {
    hold,
    questions,
    answer: (question: number, pid: number) =>
      questions[question]?.resolve([{ lsn: "0/500", slot: { ...SLOT, active_pid: pid } }]),
  };
}

/** Time passes, by both clocks, for as long as it is not disposed of. */
function later(milliseconds: number): Disposable {
  const [wall, steady] = [Date.now, performance.now];
  Date.now = () => wall() + milliseconds;
  performance.now = () => steady.call(performance) + milliseconds;
  return {
    [Symbol.dispose]() {
      Date.now = wall;
      performance.now = steady;
    },
  };
}

Deno.test("a question about the slot that is never answered is asked anew, so that the slot does not stay in doubt", async () => {
  const { hold, questions, answer } = held();
  void hold.ask();
  {
    using _ = later(9_000);
    assert.equal(await hold.ask(), undefined);
    assert.equal(questions.length, 1, "it may still be answered");
  }
  using _ = later(40_000);
  assert.equal(hold.isInUse, false);
  const again = hold.ask();
  assert.equal(questions.length, 2);
  answer(1, OURS);
  assert.equal((await again)?.walEnd, 0x500n);
  assert.equal(hold.isInUse, true);
});

Deno.test("a late answer renews nothing, but tells of a loss", async () => {
  const { hold, answer } = held();
  const [first, second] = [hold.ask(), hold.ask()];
  assert.equal(await second, undefined);
  {
    using _ = later(30_000);
    const again = hold.ask();
    answer(1, OURS);
    await again;
  }
  answer(0, OURS);
  assert.equal(await first, undefined);
  {
    using _ = later(50_000);
    assert.equal(hold.isInUse, true, "as the later answer has it");
  }
  const last = hold.ask();
  answer(2, 1);
  await assert.rejects(last, SlotTakenError);
});
