import { createHash } from "node:crypto";
import { ByteReader } from "../byte_reader.ts";
import { tlsServerEndPoint } from "./channel_binding.ts";
import type { ConnectionOptions } from "./connection_options.ts";
import { passwordMessage, saslInitialResponse, saslResponse } from "./frontend_messages.ts";
import { type ScramBinding, ScramExchange } from "./scram.ts";
import type { TlsState } from "./tls.ts";
import { utf8Text } from "../utf8.ts";

export interface Credentials {
  readonly user: string;
  /** Asked once, when the server wants it. */
  readonly password: () => Promise<string | undefined>;
  readonly channelBinding: ConnectionOptions["channelBinding"];
  /** Undefined without encryption. */
  readonly tls: TlsState | undefined;
}

const SCRAM = "SCRAM-SHA-256";
const SCRAM_PLUS = "SCRAM-SHA-256-PLUS";

/**
 * The client's side of authentication: answers one Authentication message after the other until the server is content.
 * Errors say what is wrong and nothing of who and where, which the caller knows.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
export class Authentication {
  readonly #credentials: Credentials;
  #exchange: ScramExchange | undefined;
  #isVerified = false;
  #isBound = false;
  #isDone = false;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** What is to be sent in answer to an Authentication message, 'R': Int32 request, then what belongs to it. */
  async answer(body: Uint8Array): Promise<Uint8Array | undefined> {
    const reader = new ByteReader(body);
    const request = reader.int32();
    switch (request) {
      case 0: // AuthenticationOk
        this.#finish();
        return undefined;
      case 3: // AuthenticationCleartextPassword
        this.#refuseUnbound("asks for a password in clear text");
        return passwordMessage(await this.#password());
      case 5: // AuthenticationMD5Password: Byte4 salt
        this.#refuseUnbound("asks for an MD5 password");
        return passwordMessage(md5Response(this.#credentials.user, await this.#password(), reader.view(4)));
      case 10: // AuthenticationSASL: (String mechanism)*, Byte1 zero
        return await this.#startScram(readMechanisms(reader));
      case 11: // AuthenticationSASLContinue: Byte[n] data
        return saslResponse(await this.#scramExchange().answer(utf8Text(reader.rest())));
      case 12: // AuthenticationSASLFinal: Byte[n] data
        this.#scramExchange().verify(utf8Text(reader.rest()));
        this.#isVerified = true;
        return undefined;
      default:
        throw new Error(
          `the server asks for ${OTHER_METHODS.get(request) ?? `method ${request}`}, which is not supported`,
        );
    }
  }

  /** A server that skips its half of SCRAM has proved nothing. */
  #finish(): void {
    if (this.#exchange && !this.#isVerified) throw new Error("the server did not finish the SCRAM exchange");
    if (!this.#isBound) this.#refuseUnbound("lets us in without it");
    this.#isDone = true;
  }

  async #startScram(mechanisms: readonly string[]): Promise<Uint8Array> {
    if (this.#exchange) throw new Error("the server began a second SCRAM exchange");
    const binding = this.#chooseBinding(mechanisms);
    this.#isBound = binding.kind === "tlsServerEndPoint";
    this.#exchange = new ScramExchange(await this.#password(), binding);
    return saslInitialResponse(this.#isBound ? SCRAM_PLUS : SCRAM, this.#exchange.first());
  }

  #chooseBinding(mechanisms: readonly string[]): ScramBinding {
    const { channelBinding, tls } = this.#credentials;
    const digest = channelBinding !== "disable" && tls?.certificate
      ? tlsServerEndPoint(tls.certificate)
      : undefined;
    if (digest && mechanisms.includes(SCRAM_PLUS)) return { kind: "tlsServerEndPoint", digest };
    if (channelBinding === "require") {
      throw new Error(
        !tls
          ? "channel binding is required, and the connection is not encrypted"
          : digest
          ? "channel binding is required, and the server does not offer it"
          : "channel binding is required, and the server's certificate does not allow it",
      );
    }
    if (!mechanisms.includes(SCRAM)) {
      throw new Error(`the server offers only ${mechanisms.join(", ") || "nothing"}, which is not supported`);
    }
    return digest ? { kind: "notOffered" } : { kind: "none" };
  }

  #scramExchange(): ScramExchange {
    if (!this.#exchange) throw new Error("the server went on with a SCRAM exchange that had not begun");
    return this.#exchange;
  }

  #refuseUnbound(what: string): void {
    if (this.#credentials.channelBinding !== "require") return;
    throw new Error(`channel binding is required, and the server ${what}`);
  }

  async #password(): Promise<string> {
    const password = await this.#credentials.password();
    if (password === undefined) {
      throw new Error(
        "the server asks for a password and none is configured; set one, passwordFile or PGPASSWORD",
      );
    }
    return password;
  }
}

const OTHER_METHODS: ReadonlyMap<number, string> = new Map([
  [2, "Kerberos V5"],
  [6, "SCM credentials"],
  [7, "GSSAPI"],
  [8, "GSSAPI"],
  [9, "SSPI"],
]);

function readMechanisms(reader: ByteReader): string[] {
  const mechanisms: string[] = [];
  for (let name = reader.cString(); name !== ""; name = reader.cString()) mechanisms.push(name);
  return mechanisms;
}

/** `md5` + md5(md5(password + user) + salt), in hexadecimal. */
function md5Response(user: string, password: string, salt: Uint8Array): string {
  const inner = createHash("md5").update(password).update(user).digest("hex");
  return `md5${createHash("md5").update(inner).update(salt).digest("hex")}`;
}
