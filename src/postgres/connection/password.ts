import { readFile, stat } from "node:fs/promises";
import { logOf } from "../../observe/log.ts";
import { type ConnectionOptions, type HostAddress, isSocketFolder } from "./connection_options.ts";

const log = logOf("postgres");

/** The options' password for this server, from wherever they say it is; undefined when there is none. */
export async function findPassword(
  options: ConnectionOptions,
  address: HostAddress,
): Promise<string | undefined> {
  if (options.password !== undefined) return options.password;
  if (options.passwordFile !== undefined) return await readPasswordFile(options.passwordFile);
  if (options.pgpassFile !== undefined) return await searchPgpass(options.pgpassFile, options, address);
  return undefined;
}

/** The file without the line break that editors and `echo` leave at its end. */
async function readPasswordFile(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).replace(/\r?\n$/, "");
  } catch (error) {
    throw new Error(`Cannot read passwordFile ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The first line of the file that fits: `host:port:database:user:password`, `*` for any, `\` before a `:` or `\` that
 * is meant. As in libpq, a file that is missing is none, and one that others may read is not used.
 * @see https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
async function searchPgpass(
  path: string,
  { database, user }: ConnectionOptions,
  { host, port }: HostAddress,
): Promise<string | undefined> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if (Deno.build.os !== "windows" && (mode & 0o077) !== 0) {
      log.warn("Not using a password file that others may read: its mode must be 0600", { path });
      return undefined;
    }
    text = await readFile(path, "utf8");
  } catch (error) {
    log.debug("Cannot read the password file", { path, error });
    return undefined;
  }
  const wanted = [isDefaultSocketFolder(host) ? "localhost" : host, String(port), database, user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = splitFields(line);
    const fits = wanted.every((value, index) => fields[index] === "*" || unescape(fields[index]) === value);
    if (fits && fields[4] !== undefined) return unescape(fields[4]);
  }
  return undefined;
}

function isDefaultSocketFolder(host: string): boolean {
  return isSocketFolder(host) && ["/var/run/postgresql", "/run/postgresql", "/tmp"].includes(host);
}

/** At the colons that no backslash stands before. */
function splitFields(line: string): string[] {
  return [...line.matchAll(/(?:^|:)((?:[^:\\]|\\.)*)/g)].map((match) => match[1] ?? "");
}

function unescape(field: string | undefined): string | undefined {
  return field?.replace(/\\(.)/g, "$1");
}
