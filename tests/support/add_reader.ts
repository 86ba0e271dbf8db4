import type { TwinDatabase } from "./twin_database.ts";

/**
 * Publishes all tables, and makes a role that may follow them but neither read nor write any.
 * @return how that role connects
 */
export async function addReader({ sql, server }: TwinDatabase): Promise<string> {
  await sql.unsafe(`
    ALTER TABLE digitaltwins."Twin" REPLICA IDENTITY FULL;
    CREATE PUBLICATION age_pub FOR ALL TABLES;
    CREATE ROLE reader LOGIN REPLICATION`);
  const url = new URL(server.connectionString);
  url.username = "reader";
  return `${url}`;
}
