import { LoginError } from "./login_error.ts";

/**
 * The SQLSTATE of an error that a server reported, whichever client it came through; undefined for any other error,
 * such as a socket's `ECONNREFUSED`.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/**
 * Whether a server has refused what will not be right the next time either: login, database, rights, a command; or has
 * asked for what we do not have. Of several hosts, all must have.
 */
export function isHopeless(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isHopeless);
  if (error instanceof LoginError) return true;
  return /^(28|3D|42|0A)/.test(sqlState(error) ?? "");
}
