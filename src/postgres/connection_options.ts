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
  readonly sslMode: SslMode;
  /** Paths of PEM files. */
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
  readonly channelBinding: "disable" | "prefer" | "require";
  readonly targetSessionAttrs: "any" | "read-write";
  /** Milliseconds for one host. */
  readonly connectTimeout: number;
  readonly applicationName: string;
}
