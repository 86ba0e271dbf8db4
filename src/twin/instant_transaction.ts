import type { Lsn } from "../postgres/lsn.ts";
import type { Transaction } from "../postgres/row_change.ts";

/** Milliseconds from 1970 to 2000, where PostgreSQL's time begins. */
const EPOCH = Date.UTC(2000, 0, 1);

/** What happens outside of any transaction is in one of its own, at `now`, in milliseconds since 1970. */
export function instantTransaction(now: number, commitLsn: Lsn = 0n): Transaction {
  return { xid: 0, commitLsn, commitTime: BigInt(Math.trunc((now - EPOCH) * 1000)) };
}
