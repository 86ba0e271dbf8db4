import type { Sql } from "../connection/sql.ts";

/** What the role that the router logs in as may do. */
export interface Role {
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly mayReplicate: boolean;
  /** CREATE on the database, which a publication takes. */
  readonly mayCreate: boolean;
}

export async function readRole(sql: Sql): Promise<Role> {
  const [row] = await sql<[RoleRow]>`
    SELECT rolname AS name, rolsuper AS superuser,
      -- Amazon RDS gives the right to replicate by membership.
      rolreplication OR EXISTS (
        SELECT FROM pg_roles rds WHERE rds.rolname = 'rds_replication' AND pg_has_role(rds.oid, 'MEMBER')
      ) AS replication,
      has_database_privilege(current_database(), 'CREATE') AS may_create
    FROM pg_roles WHERE rolname = current_user`;
  return {
    name: row.name,
    isSuperuser: row.superuser,
    mayReplicate: row.superuser || row.replication,
    mayCreate: row.may_create,
  };
}

interface RoleRow {
  name: string;
  superuser: boolean;
  replication: boolean;
  may_create: boolean;
}
