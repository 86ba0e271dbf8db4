/** Where a server listens: a host and port, or the folder of a Unix socket (`/var/run/postgresql`). */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** libpq's `sslmode`, without `allow`. */
export type SslMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** Everything that is needed to open a connection, with every default applied. */
export interface ConnectionOptions {
  /** In the order in which they are tried; never empty. */
  readonly hosts: readonly HostAddress[];
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  /** A file that holds the password alone; read at each login, so that a rotated one is taken. */
  readonly passwordFile?: string;
  /** A file in the format of `~/.pgpass`, asked when there is no other password; it may be missing. */
  readonly pgpassFile?: string;
  readonly sslMode: SslMode;
  /** Path of a PEM file, or `system` for the certificates that the system trusts, which is also the default. */
  readonly sslRootCert?: string;
  /** Paths of PEM files, read at each connection; both or none. */
  readonly sslCert?: string;
  readonly sslKey?: string;
  readonly channelBinding: "disable" | "prefer" | "require";
  /** Which servers will do: `primary` takes any that is not in recovery, `read-write` one whose sessions may write. */
  readonly targetSessionAttrs: "any" | "primary" | "read-write";
  /** Milliseconds for one host, login included; `Infinity` for no limit. */
  readonly connectTimeout: number;
  readonly applicationName: string;
  /** Command-line options for the server's session: libpq's `options`. */
  readonly serverOptions?: string;
}

/** As people write it: `localhost:5432`, `[::1]:5432`, `/var/run/postgresql/.s.PGSQL.5432`. */
export function formatAddress({ host, port }: HostAddress): string {
  if (isSocketFolder(host)) return socketPath({ host, port });
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether the "host" is the folder of a Unix socket. */
export function isSocketFolder(host: string): boolean {
  return host.startsWith("/");
}

export function socketPath({ host, port }: HostAddress): string {
  return `${host}/.s.PGSQL.${port}`;
}
