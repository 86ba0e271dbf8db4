import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import {
  type ConnectionOptions,
  formatAddress,
  type HostAddress,
  type SslMode,
} from "./connection_options.ts";
import { messageOf } from "../../observe/message_of.ts";

/** What concerns TLS in `ConnectionOptions`. */
export type TlsOptions = Pick<ConnectionOptions, "sslMode" | "sslRootCert" | "sslCert" | "sslKey">;

/** What is known of an encrypted connection. */
export interface TlsState {
  /** Whether the server's certificate was checked against authorities that are trusted. */
  readonly verified: boolean;
  /** The server's certificate, in DER. */
  readonly certificate: Uint8Array | undefined;
}

/** The texts of the PEM files that the options name. */
export interface Certificates {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads the files that the options name; they are read anew for each connection, so that a renewed one is taken. */
export async function readCertificates({ sslRootCert, sslCert, sslKey }: TlsOptions): Promise<Certificates> {
  return {
    ...(sslRootCert === undefined || sslRootCert === "system"
      ? {}
      : { ca: await readPem("sslRootCert", sslRootCert, "CERTIFICATE") }),
    ...(sslCert === undefined ? {} : { cert: await readPem("sslCert", sslCert, "CERTIFICATE") }),
    ...(sslKey === undefined ? {} : { key: await readPem("sslKey", sslKey, "PRIVATE KEY") }),
  };
}

/**
 * Makes the connection encrypted, once the server has agreed. `verify-ca` wants the server's certificate to come
 * from a trusted authority, `verify-full` to be for the host's name as well; the other modes take any.
 */
export async function startTls(
  socket: Socket,
  address: HostAddress,
  sslMode: SslMode,
  certificates: Certificates,
): Promise<{ socket: TLSSocket; tls: TlsState }> {
  const verified = sslMode === "verify-ca" || sslMode === "verify-full";
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const encrypted = connect({
    socket,
    // Also names it in the handshake (SNI), unless it is an address.
    host: address.host,
    rejectUnauthorized: verified,
    ...(sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
    ...certificates,
  });
  encrypted.on("error", reject);
  encrypted.once("close", () => reject(new Error("the server closed the connection")));
  encrypted.once("secureConnect", resolve);
  try {
    await promise;
  } catch (error) {
    encrypted.destroy();
    const reason = messageOf(error);
    throw new Error(`Cannot use TLS with ${formatAddress(address)}: ${reason}`, { cause: error });
  }
  encrypted.pause();
  return { socket: encrypted, tls: { verified, certificate: encrypted.getPeerCertificate().raw } };
}

async function readPem(option: string, path: string, label: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`Cannot read ${option} ${path}: ${(error as Error).message}`, { cause: error });
  }
  // Without this a wrong file would only show as a server that cannot be verified.
  if (!new RegExp(`-----BEGIN ([A-Z]+ )*${label}-----`).test(text)) {
    throw new Error(`Cannot read ${option} ${path}: it holds no ${label} in PEM format`);
  }
  return text;
}
