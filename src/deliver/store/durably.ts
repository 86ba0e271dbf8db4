import type { Sql, TransactionSql } from "../../postgres/connection/sql.ts";

/** For a WHERE, always true: the transaction's commit is durable, even where the role or the database does without. */
export function durably(sql: Sql | TransactionSql) {
  return sql`(
    SELECT set_config('synchronous_commit', CASE level WHEN 'off' THEN 'on' ELSE level END, true) <> 'off'
    FROM current_setting('synchronous_commit') level
  )`;
}
