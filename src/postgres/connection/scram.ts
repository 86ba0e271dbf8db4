import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { saslPrep } from "./sasl_prep.ts";

const deriveKey = promisify(pbkdf2);

/** PostgreSQL's default is 4096; more than this would keep a core busy for many seconds at a server's word. */
const MOST_ITERATIONS = 10_000_000;

/**
 * How the exchange is bound to the TLS connection: not (`n`); not, although this end could (`y`: the server notices if
 * somebody in between hid that it can too); or by a digest of the server's certificate.
 */
export type ScramBinding =
  | { readonly kind: "none" }
  | { readonly kind: "notOffered" }
  | { readonly kind: "tlsServerEndPoint"; readonly digest: Uint8Array };

/**
 * The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: `first`, then `answer`, then `verify`. The server learns
 * nothing that it could log in with elsewhere, and has to prove that it knows the password too.
 * @see https://www.rfc-editor.org/rfc/rfc5802 and https://www.rfc-editor.org/rfc/rfc7677
 */
export class ScramExchange {
  readonly #password: string;
  readonly #binding: ScramBinding;
  readonly #bareFirst: string;
  readonly #nonce: string;
  #serverSignature: Uint8Array | undefined;

  /** PostgreSQL takes the user from the startup message; the name in here is for other servers. */
  constructor(
    password: string,
    binding: ScramBinding,
    user = "",
    nonce: string = randomBytes(18).toString("base64"),
  ) {
    this.#password = saslPrep(password);
    this.#binding = binding;
    this.#nonce = nonce;
    this.#bareFirst = `n=${user},r=${nonce}`;
  }

  /** `client-first-message`: gs2-header, `n=` user, `r=` nonce. */
  first(): string {
    return gs2Header(this.#binding) + this.#bareFirst;
  }

  /**
   * `client-final-message`, the answer to `server-first-message`: `r=` both nonces, `s=` salt, `i=` iterations.
   * Rejects when that does not follow the protocol or asks for too many iterations.
   */
  async answer(serverFirst: string): Promise<string> {
    const attributes = readAttributes(serverFirst);
    const nonce = attributes.get("r") ?? "";
    const salt = Buffer.from(attributes.get("s") ?? "", "base64");
    const iterations = Number(attributes.get("i"));
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new Error("the server's SCRAM nonce does not continue ours");
    }
    if (salt.length === 0) throw new Error("the server's SCRAM message has no salt");
    if (!Number.isInteger(iterations) || iterations < 1 || iterations > MOST_ITERATIONS) {
      throw new Error(
        `the server asks for ${
          attributes.get("i")
        } SCRAM iterations, which is not from 1 to ${MOST_ITERATIONS}`,
      );
    }

    const saltedPassword = await deriveKey(this.#password, salt, iterations, 32, "sha256");
    const withoutProof = `c=${bindingInput(this.#binding).toString("base64")},r=${nonce}`;
    const authMessage = `${this.#bareFirst},${serverFirst},${withoutProof}`;
    const clientKey = hmac(saltedPassword, "Client Key");
    const storedKey = createHash("sha256").update(clientKey).digest();
    const clientSignature = hmac(storedKey, authMessage);
    const proof = clientKey.map((byte, index) => byte ^ (clientSignature[index] as number));
    this.#serverSignature = hmac(hmac(saltedPassword, "Server Key"), authMessage);
    return `${withoutProof},p=${Buffer.from(proof).toString("base64")}`;
  }

  /** Throws unless `server-final-message` (`v=` signature) proves that the server knows the password. */
  verify(serverFinal: string): void {
    const attributes = readAttributes(serverFinal);
    const error = attributes.get("e");
    if (error !== undefined) throw new Error(`the server refuses the SCRAM exchange: ${error}`);
    const signature = Buffer.from(attributes.get("v") ?? "", "base64");
    const expected = this.#serverSignature;
    if (!expected || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw new Error("the server's signature is wrong: it does not know the password");
    }
  }
}

function gs2Header(binding: ScramBinding): string {
  switch (binding.kind) {
    case "none":
      return "n,,";
    case "notOffered":
      return "y,,";
    case "tlsServerEndPoint":
      return "p=tls-server-end-point,,";
    default:
      return binding satisfies never;
  }
}

function bindingInput(binding: ScramBinding): Buffer {
  const header = Buffer.from(gs2Header(binding));
  return binding.kind === "tlsServerEndPoint" ? Buffer.concat([header, binding.digest]) : header;
}

/** `a=value,b=value`; a value may hold `=`, and no comma. */
function readAttributes(message: string): ReadonlyMap<string, string> {
  return new Map(message.split(",").map((part) => [part.slice(0, 1), part.slice(2)]));
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
