import { Buffer } from "node:buffer";

const ISSUER = "https://issuer.example.org";
const AUDIENCE = "kafka";

/** The credentials of the one client that gets tokens. */
export const TOKEN_CLIENT = {
  clientId: "router",
  clientSecret: "s3cretOfTheClient",
  scope: "events",
};

/**
 * An authorization server on a loopback address: tokens for the client credentials grant (RFC 6749, section 4.4), and
 * the keys (JWKS) that prove them.
 */
export class TokenServer implements AsyncDisposable {
  readonly issuer = ISSUER;
  readonly audience = AUDIENCE;
  /** Seconds that a token lives. */
  lifetime = 3600;
  /** Tokens given so far. */
  given = 0;
  /** How many of the next tokens no key proves. */
  forged = 0;
  /** Refuses every client. */
  refuses = false;

  readonly #keys: CryptoKeyPair;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(keys: CryptoKeyPair) {
    this.#keys = keys;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  static async start(): Promise<TokenServer> {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048 };
    const publicExponent = new Uint8Array([1, 0, 1]);
    const keys = await crypto.subtle.generateKey({ ...algorithm, publicExponent }, true, ["sign", "verify"]);
    return new TokenServer(keys);
  }

  get tokenUrl(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/token`;
  }

  get keysUrl(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/keys`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === "/keys") {
      const key = await crypto.subtle.exportKey("jwk", this.#keys.publicKey);
      return Response.json({ keys: [{ ...key, kid: "1", use: "sig", alg: "RS256" }] });
    }
    const form = new URLSearchParams(await request.text());
    const { clientId, clientSecret, scope } = TOKEN_CLIENT;
    const isKnown = request.headers.get("authorization") === `Basic ${btoa(`${clientId}:${clientSecret}`)}`;
    if (!isKnown || this.refuses) return Response.json({ error: "invalid_client" }, { status: 401 });
    if (form.get("scope") !== scope) return Response.json({ error: "invalid_scope" }, { status: 400 });
    this.given++;
    return Response.json({
      access_token: await this.#token(),
      token_type: "Bearer",
      expires_in: this.lifetime,
    });
  }

  async #token(): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const header = { alg: "RS256", kid: "1", typ: "JWT" };
    const times = { iat: now, exp: now + 1 + this.lifetime };
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: "router", scope: TOKEN_CLIENT.scope, ...times };
    const signed = [header, claims].map((part) => base64url(JSON.stringify(part))).join(".");
    const bytes = new TextEncoder().encode(signed);
    const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", this.#keys.privateKey, bytes);
    const isForged = this.forged > 0;
    if (isForged) this.forged--;
    return `${signed}.${
      base64url(isForged ? new Uint8Array(signature.byteLength) : new Uint8Array(signature))
    }`;
  }
}

function base64url(content: string | Uint8Array): string {
  return Buffer.from(content).toString("base64url");
}
