import { type Keyword, type Keywords, readKeywords } from "./connection_keywords.ts";
import type { ConnectionOptions, HostAddress, SslMode } from "./connection_options.ts";
import { isConnectionUrl, parseConnectionUrl } from "./connection_url.ts";
import { parseKeywordString } from "./keyword_string.ts";
import { isNpgsqlString, parseNpgsqlString } from "./npgsql_string.ts";
import type { TlsOptions } from "./tls.ts";

/** What a configuration says of the server; everything may be absent. */
export interface ConnectionParameters {
  /** A `postgres://` URL, libpq's `keyword=value …`, or .NET's `Name=value;…`. */
  readonly connectionString?: string;
  /** Several with commas. */
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  /** A file that holds the password alone. */
  readonly passwordFile?: string;
  readonly sslMode?: SslMode;
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_PORT = 5432;
const DEFAULT_TIMEOUT_SECONDS = 15;

/**
 * Everything that opening a connection takes: from the parameters, then from what their connection string says, then
 * from libpq's environment variables, then by default. Defaults are libpq's, but for these:
 * - the host is `localhost`;
 * - `target_session_attrs` is `read-write`, because changes are followed where they are made; `any` allows a standby;
 * - the connect timeout is 15 s, as Npgsql's;
 * - without `sslrootcert`, servers are verified by the authorities that the system trusts.
 *
 * As in libpq, `require` with a `sslrootcert` is `verify-ca`, and `sslrootcert=system` is only good for `verify-full`.
 * `allow` is read as `prefer`. Reads no file.
 *
 * Throws a `ConnectionStringError` or a `TypeError`; no message repeats a value.
 */
export function resolveConnectionOptions(
  parameters: ConnectionParameters,
  environment: Environment,
): ConnectionOptions {
  const sources: readonly Keywords[] = [
    readParameters(parameters),
    parseConnectionString(parameters.connectionString ?? ""),
    readEnvironment(environment),
  ];
  const find = (keyword: Keyword) => sources.find((source) => source.has(keyword))?.get(keyword);

  const user = find("user") ?? environment["USER"] ?? environment["LOGNAME"] ?? environment["USERNAME"];
  if (!user) {
    throw new TypeError("Cannot connect to PostgreSQL: no user is configured; name one, or set PGUSER");
  }
  const serverOptions = find("options");
  return {
    hosts: readHosts(find("host") ?? find("hostaddr") ?? "localhost", find("port") ?? ""),
    database: find("dbname") ?? user,
    user,
    ...readPasswordSource(parameters, find, environment),
    ...readTls(find),
    channelBinding: oneOf("channel_binding", find("channel_binding") ?? "prefer", CHANNEL_BINDINGS),
    targetSessionAttrs: readSessionKind(find("target_session_attrs") ?? "read-write"),
    connectTimeout: readTimeout(find("connect_timeout")),
    applicationName: find("application_name") ?? "twinrouter",
    ...(serverOptions === undefined ? {} : { serverOptions }),
  };
}

function parseConnectionString(text: string): Keywords {
  if (isConnectionUrl(text.trim())) return readKeywords(parseConnectionUrl(text.trim()));
  return readKeywords(isNpgsqlString(text) ? parseNpgsqlString(text) : parseKeywordString(text));
}

function readParameters(parameters: ConnectionParameters): Keywords {
  return readKeywords([
    ["host", parameters.host ?? ""],
    ["port", String(parameters.port ?? "")],
    ["dbname", parameters.database ?? ""],
    ["user", parameters.user ?? ""],
    ["password", parameters.password ?? ""],
    ["sslmode", parameters.sslMode ?? ""],
    ["sslrootcert", parameters.sslRootCert ?? ""],
    ["sslcert", parameters.sslCert ?? ""],
    ["sslkey", parameters.sslKey ?? ""],
  ]);
}

/** https://www.postgresql.org/docs/current/libpq-envars.html */
function readEnvironment(environment: Environment): Keywords {
  return readKeywords([
    ["host", environment["PGHOST"] ?? ""],
    ["hostaddr", environment["PGHOSTADDR"] ?? ""],
    ["port", environment["PGPORT"] ?? ""],
    ["dbname", environment["PGDATABASE"] ?? ""],
    ["user", environment["PGUSER"] ?? ""],
    ["password", environment["PGPASSWORD"] ?? ""],
    ["passfile", environment["PGPASSFILE"] ?? ""],
    ["sslmode", environment["PGSSLMODE"] ?? ""],
    ["sslrootcert", environment["PGSSLROOTCERT"] ?? ""],
    ["sslcert", environment["PGSSLCERT"] ?? ""],
    ["sslkey", environment["PGSSLKEY"] ?? ""],
    ["connect_timeout", environment["PGCONNECT_TIMEOUT"] ?? ""],
    ["target_session_attrs", environment["PGTARGETSESSIONATTRS"] ?? ""],
    ["channel_binding", environment["PGCHANNELBINDING"] ?? ""],
    ["application_name", environment["PGAPPNAME"] ?? ""],
    ["options", environment["PGOPTIONS"] ?? ""],
  ]);
}

/** Lists with commas; one port is for every host, and a missing one is 5432. */
function readHosts(hostList: string, portList: string): readonly HostAddress[] {
  const hosts = hostList.split(",").map((host) => host.trim() || "localhost");
  const ports = portList.split(",").map((port) => port.trim() || String(DEFAULT_PORT)).map(readPort);
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new TypeError(
      `Cannot connect to PostgreSQL: there are ${hosts.length} hosts and ${ports.length} ports`,
    );
  }
  return hosts.map((host, index) => {
    // What is read as a host because something before it was badly written may be a password.
    if (!/^(\/.*|[\w.:%-]+)$/.test(host)) {
      throw new TypeError("Cannot connect to PostgreSQL: a host is neither a name, an address nor a folder");
    }
    return { host, port: ports[ports.length === 1 ? 0 : index] ?? DEFAULT_PORT };
  });
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  throw new TypeError("Cannot connect to PostgreSQL: a port is not a number from 1 to 65535");
}

/** A password, a file that holds it, or a file of many; only the first of them is asked. */
function readPasswordSource(
  { password, passwordFile }: ConnectionParameters,
  find: (keyword: Keyword) => string | undefined,
  environment: Environment,
): Pick<ConnectionOptions, "password" | "passwordFile" | "pgpassFile"> {
  if (!password && passwordFile) return { passwordFile };
  const found = find("password");
  if (found !== undefined) return { password: found };
  const home = environment["HOME"];
  const pgpassFile = find("passfile") ?? (home ? `${home}/.pgpass` : undefined);
  return pgpassFile === undefined ? {} : { pgpassFile };
}

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const CHANNEL_BINDINGS = ["disable", "prefer", "require"] as const;

function readTls(find: (keyword: Keyword) => string | undefined): TlsOptions {
  const sslRootCert = find("sslrootcert");
  const sslCert = find("sslcert");
  // As with other PEM readers, one file may hold both.
  const sslKey = find("sslkey") ?? sslCert;
  if (sslKey !== undefined && sslCert === undefined) {
    throw new TypeError("Cannot connect to PostgreSQL: there is a sslkey and no sslcert");
  }
  const sslMode = oneOf(
    "sslmode",
    find("sslmode") ?? (sslRootCert === "system" ? "verify-full" : "prefer"),
    SSL_MODES,
  );
  if (sslRootCert === "system" && sslMode !== "verify-full") {
    throw new TypeError(
      "Cannot connect to PostgreSQL: sslrootcert 'system' is only good for sslmode 'verify-full'",
    );
  }
  return {
    sslMode: sslMode === "require" && sslRootCert ? "verify-ca" : sslMode === "allow" ? "prefer" : sslMode,
    ...(sslRootCert === undefined ? {} : { sslRootCert }),
    ...(sslCert === undefined || sslKey === undefined ? {} : { sslCert, sslKey }),
  };
}

function readSessionKind(text: string): ConnectionOptions["targetSessionAttrs"] {
  const kinds = [
    "any",
    "primary",
    "prefer-primary",
    "read-write",
    "read-only",
    "standby",
    "prefer-standby",
  ] as const;
  const kind = oneOf("target_session_attrs", text, kinds);
  switch (kind) {
    case "any":
    case "primary":
    case "read-write":
      return kind;
    case "prefer-primary":
      return "primary";
    case "read-only":
    case "standby":
    case "prefer-standby":
      throw new TypeError(
        `Cannot connect to PostgreSQL: target_session_attrs '${kind}' asks for a standby, and changes are followed ` +
          "on a server that takes writes ('any' allows either)",
      );
    default:
      return kind satisfies never;
  }
}

/** Seconds to milliseconds; as in libpq, 0 or less is no limit. */
function readTimeout(text: string | undefined): number {
  const seconds = text === undefined ? DEFAULT_TIMEOUT_SECONDS : Number(text.trim());
  if (!Number.isInteger(seconds)) {
    throw new TypeError("Cannot connect to PostgreSQL: connect_timeout is not a number");
  }
  return seconds > 0 ? seconds * 1000 : Infinity;
}

function oneOf<const T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === text);
  if (found) return found;
  throw new TypeError(`Cannot connect to PostgreSQL: ${name} is not one of ${allowed.join(", ")}`);
}
