import { ConnectionStringError, type Setting } from "./connection_keywords.ts";

export function isConnectionUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//i.test(text);
}

/**
 * Reads `postgres://user:password@host:port,host:port/dbname?keyword=value&…`, all of it optional and
 * percent-encoded, as libpq does. Forgiven is an `@` in a password that is not encoded.
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function parseConnectionUrl(text: string): readonly Setting[] {
  const settings: Setting[] = [];
  const rest = text.slice(text.indexOf("://") + 3);
  const authority = /^[^/?]*/.exec(rest)?.[0] ?? "";
  const [path = "", ...query] = rest.slice(authority.length).split("?");
  if (path.includes("@")) {
    throw new ConnectionStringError("a '/' or '?' in the password must be percent-encoded");
  }

  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    const [user = "", ...password] = authority.slice(0, at).split(":");
    settings.push(["user", decode(user, "user")]);
    settings.push(["password", decode(password.join(":"), "password")]);
  }
  settings.push(...readHosts(authority.slice(at + 1)));
  settings.push(["dbname", decode(path.slice(1), "database")]);
  for (const parameter of query.join("?").split("&")) if (parameter) settings.push(readParameter(parameter));
  return settings;
}

/** `host:port`, `[IPv6]:port`, `%2Ffolder`, separated by commas; a part that is missing is left empty. */
function readHosts(text: string): readonly Setting[] {
  const hosts: string[] = [];
  const ports: string[] = [];
  for (const part of text.split(",")) {
    const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(part);
    if (!match) throw new ConnectionStringError("a host is not of the form host:port or [IPv6]:port");
    hosts.push(decode(match[1] ?? match[2] ?? "", "host"));
    ports.push(match[3] ?? "");
  }
  const isGiven = (part: string) => part !== "";
  return [
    ["host", hosts.some(isGiven) ? hosts.join(",") : ""],
    ["port", ports.some(isGiven) ? ports.join(",") : ""],
  ];
}

function readParameter(parameter: string): Setting {
  const [name = "", ...value] = parameter.split("=");
  if (value.length !== 1) {
    throw new ConnectionStringError("a parameter after '?' is not of the form name=value");
  }
  const keyword = decode(name, "name of a parameter");
  const text = decode(value[0] ?? "", "value of a parameter");
  // JDBC's way to say so, which libpq takes as well.
  return keyword === "ssl" && text === "true" ? ["sslmode", "require"] : [keyword, text];
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new ConnectionStringError(`the percent-encoding of the ${what} is broken`, { cause: error });
  }
}
