/** A user and group, by number. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Who a server must run as when root starts it, because PostgreSQL refuses to be root: `postgres` if the machine has
 * that account, else `nobody`. Nothing for any other user, whose server is his own.
 */
export async function serverAccount(): Promise<Account | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const accounts = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  for (const wanted of ["postgres", "nobody"]) {
    const [, , uid, gid] = accounts.find(([name]) => name === wanted) ?? [];
    // macOS writes nobody's number as -2.
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 };
  }
  throw new Error(
    "Cannot start PostgreSQL as root: /etc/passwd has neither postgres nor nobody to run it as",
  );
}
