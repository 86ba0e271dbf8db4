import { ConnectionStringError, type Keyword, type Setting, unknownSetting } from "./connection_keywords.ts";

/** Npgsql's names, without spaces and in lower case, and the libpq keywords that they stand for. */
const KEYWORDS: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ["applicationname", "application_name"],
  ["channelbinding", "channel_binding"],
  ["database", "dbname"],
  ["db", "dbname"],
  ["host", "host"],
  ["options", "options"],
  ["passfile", "passfile"],
  ["password", "password"],
  ["port", "port"],
  ["psw", "password"],
  ["pwd", "password"],
  ["rootcertificate", "sslrootcert"],
  ["server", "host"],
  ["sslcertificate", "sslcert"],
  ["sslkey", "sslkey"],
  ["sslmode", "sslmode"],
  ["targetsessionattributes", "target_session_attrs"],
  ["timeout", "connect_timeout"],
  ["uid", "user"],
  ["user", "user"],
  ["userid", "user"],
  ["username", "user"],
]);

/** Names that speak of pools, prepared statements and other things that do not matter here. */
const IGNORED: ReadonlySet<string> = new Set([
  "arraynullabilitymode",
  "autoprepareminusages",
  "cancellationtimeout",
  "clientencoding",
  "commandtimeout",
  "connectionidlelifetime",
  "connectionlifetime",
  "connectionpruninginterval",
  "convertinfinitydatetime",
  "efadmindatabase",
  "eftemplatedatabase",
  "encoding",
  "enlist",
  "gssencryptionmode",
  "hostrecheckseconds",
  "includeerrordetail",
  "includefailedbatchedcommand",
  "includerealm",
  "internalcommandtimeout",
  "keepalive",
  "kerberosservicename",
  "loadbalancehosts",
  "loadbalancetimeout",
  "loadtablecomposites",
  "logparameters",
  "maxautoprepare",
  "maximumpoolsize",
  "maxpoolsize",
  "minimumpoolsize",
  "minpoolsize",
  "multiplexing",
  "noresetonclose",
  "persistsecurityinfo",
  "pooling",
  "readbuffersize",
  "replicationmode",
  "searchpath",
  "servercompatibilitymode",
  "socketreceivebuffersize",
  "socketsendbuffersize",
  "sslnegotiation",
  "tcpkeepalive",
  "tcpkeepaliveinterval",
  "tcpkeepalivetime",
  "timezone",
  "writebuffersize",
  "writecoalescingbufferthreshold",
]);

/** Names that somebody counts on when they are true or have a value. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  "checkcertificaterevocation",
  "integratedsecurity",
  "requireauth",
  "sslpassword",
]);

/**
 * Whether it is one of .NET's rather than of libpq's: it begins with a name that libpq does not have, or a `;` stands
 * before one that Npgsql has.
 */
export function isNpgsqlString(text: string): boolean {
  const withoutQuoted = text.replace(/=\s*(?:"(?:[^"]|"")*"|'(?:[^'\\]|\\.|'')*')/gs, "=");
  return /^\s*(?:[A-Z]|\w+ \w+\s*=|\w+\s*=[^\s;]*;\s*$)/.test(withoutQuoted) ||
    [...withoutQuoted.matchAll(/;\s*([^=;]*?)\s*=/g)].some(([, name = ""]) => isKnown(normalize(name)));
}

/**
 * Reads a connection string of .NET's Npgsql (`Host=…;Username=…;SSL Mode=…`) as libpq's settings. Names may have
 * spaces; values may stand in quotes, which are doubled inside.
 * @see https://www.npgsql.org/doc/connection-string-parameters.html
 */
export function parseNpgsqlString(text: string): readonly Setting[] {
  const values = new Map<Keyword, string>();
  let trustsAnyServer = false;
  let previous: string | undefined;
  for (const [name, value] of split(text)) {
    const normal = normalize(name);
    const keyword = KEYWORDS.get(normal);
    if (keyword) values.set(keyword, translate(keyword, value));
    else if (normal === "trustservercertificate") trustsAnyServer = isTrue(value);
    else if (!isKnown(normal)) throw unknownSetting(name, false, previous);
    else if (UNSUPPORTED.has(normal) && value !== "" && value.toLowerCase() !== "false") {
      throw unknownSetting(name, true, previous);
    }
    previous = name;
  }
  if (trustsAnyServer && values.get("sslmode")?.startsWith("verify")) {
    throw new ConnectionStringError("'Trust Server Certificate' contradicts an 'SSL Mode' that verifies it");
  }
  return [...values, ...readHosts(values.get("host") ?? "", values.get("port") ?? "")];
}

function split(text: string): readonly Setting[] {
  const settings: Setting[] = [];
  const setting =
    /[\s;]*([^=;]+?)\s*=\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|((?:[^;"'][^;]*?)?))\s*(?=;|$)/gsy;
  while (/[^\s;]/.test(text.slice(setting.lastIndex))) {
    const match = setting.exec(text);
    const [, name = "", inDouble, inSingle, bare = ""] = match ?? [];
    if (!match || /\s(password|pwd|psw)\s*=/i.test(bare)) {
      throw new ConnectionStringError(
        `setting ${
          settings.length + (match ? 1 : 0)
        } and what follows it are not of the form name=value;name=value ` +
          `(a value with a ';' in it needs quotes)`,
      );
    }
    settings.push([name, inDouble?.replaceAll('""', '"') ?? inSingle?.replaceAll("''", "'") ?? bare]);
  }
  return settings;
}

function translate(keyword: Keyword, value: string): string {
  switch (keyword) {
    case "sslmode":
      return value.toLowerCase().replace(/^verify[-_ ]?/, "verify-");
    case "channel_binding":
      return value.toLowerCase();
    case "target_session_attrs":
      return value.toLowerCase().replace(/^(prefer|read)[_ ]?(?=\w)/, "$1-");
    default:
      return value;
  }
}

/** `host`, `host:port`, `[IPv6]:port`, a bare IPv6 address or a folder, separated by commas. */
function readHosts(value: string, defaultPort: string): readonly Setting[] {
  const parts = value.split(",").map((part) =>
    /^\s*(?:\[(.*)\]|([^:]*)|(.*:.*:.*))(?::([^:]*))?\s*$/.exec(part)
  );
  return [
    ["host", parts.map((part) => part?.[1] ?? part?.[2] ?? part?.[3] ?? "").join(",")],
    ["port", parts.map((part) => part?.[4] ?? defaultPort).join(",")],
  ];
}

function normalize(name: string): string {
  return name.toLowerCase().replace(/[\s_]/g, "");
}

function isKnown(normal: string): boolean {
  return KEYWORDS.has(normal) || IGNORED.has(normal) || UNSUPPORTED.has(normal) ||
    normal === "trustservercertificate";
}

function isTrue(value: string): boolean {
  return /^(true|yes|on|1)$/i.test(value.trim());
}
