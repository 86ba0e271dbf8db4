/** A name as SQL and the replication commands read it: `"Twin"`, a quote inside doubled. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `"digitaltwins"."Twin"` */
export function quoteTable(table: { readonly schema: string; readonly name: string }): string {
  return `${quoteName(table.schema)}.${quoteName(table.name)}`;
}

/** A string for the replication commands, which take no parameters: `'age_pub'`, a quote inside doubled. */
export function quoteString(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
