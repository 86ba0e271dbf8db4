/** What is wrong with a connection string; never repeats a value, nor anything that could be part of a password. */
export class ConnectionStringError extends Error {
  override readonly name = "ConnectionStringError";

  constructor(state: string, options?: ErrorOptions) {
    super(`Cannot read the connection string: ${state}`, options);
  }
}

/** libpq's keywords that mean something here, with their values. */
export type Keywords = ReadonlyMap<Keyword, string>;

export type Keyword = typeof KEYWORDS[number];

const KEYWORDS = [
  "application_name",
  "channel_binding",
  "connect_timeout",
  "dbname",
  "host",
  "hostaddr",
  "options",
  "passfile",
  "password",
  "port",
  "sslcert",
  "sslkey",
  "sslmode",
  "sslrootcert",
  "target_session_attrs",
  "user",
] as const;

/** Keywords that change nothing that matters here. */
const IGNORED: ReadonlySet<string> = new Set([
  "client_encoding",
  "fallback_application_name",
  "gssdelegation",
  "gsslib",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "krbsrvname",
  "load_balance_hosts",
  "max_protocol_version",
  "min_protocol_version",
  "replication",
  "sslcertmode",
  "sslcompression",
  "sslnegotiation",
  "sslsni",
  "tcp_user_timeout",
]);

/** Keywords that somebody counts on, so that going on without them would be wrong. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  "oauth_client_id",
  "oauth_client_secret",
  "oauth_issuer",
  "oauth_scope",
  "require_auth",
  "requirepeer",
  "scram_client_key",
  "scram_server_key",
  "service",
  "servicefile",
  "ssl_max_protocol_version",
  "ssl_min_protocol_version",
  "sslcrl",
  "sslcrldir",
  "sslkeylogfile",
  "sslpassword",
]);

/** What was written, in order: names and values. */
export type Setting = readonly [name: string, value: string];

/** The settings whose names are libpq's keywords; throws for one that is not. Empty ones count as absent, as in libpq. */
export function readKeywords(settings: readonly Setting[]): Keywords {
  const read = new Map<Keyword, string>();
  for (const [index, [name, value]] of settings.entries()) {
    const keyword = KEYWORDS.find((each) => each === name);
    if (keyword) {
      if (value !== "") read.set(keyword, value);
    } else if (name === "gssencmode" ? value === "require" : !IGNORED.has(name)) {
      throw unknownSetting(name, UNSUPPORTED.has(name) || name === "gssencmode", settings[index - 1]?.[0]);
    }
  }
  return read;
}

/**
 * The error for a setting that cannot be used. What comes after a password without quotes may be the rest of it, and
 * what does not look like a name may be anything: neither is repeated.
 */
export function unknownSetting(name: string, isUnsupported: boolean, previous: string | undefined): Error {
  if (isUnsupported) return new ConnectionStringError(`'${name}' is not supported`);
  if (previous !== undefined && /^(password|pwd|psw)$/i.test(previous)) {
    return new ConnectionStringError(
      `what follows the password is no setting; does the password need quotes?`,
    );
  }
  if (!/^[a-z][a-z_ ]{1,40}$/i.test(name)) {
    return new ConnectionStringError("it is neither a postgres:// URL nor a list of settings");
  }
  return new ConnectionStringError(`unknown setting '${name}'`);
}
