import { Buffer } from "node:buffer";
import { createHash, createHmac, createPrivateKey, type KeyObject, sign } from "node:crypto";
import type { CloudEvent } from "../../src/sink/sink.ts";

/** PKCS #8 of an Ed25519 key (RFC 8410), before its 32 bytes. */
const ED25519_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Signs requests as Standard Webhooks says, with every key, so that keys can be changed while receivers still know the
 * old one: `whsec_` keys by HMAC-SHA256 (`v1`), `whsk_` keys by Ed25519 (`v1a`).
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export class Signer {
  readonly #sign: readonly ((content: string) => string)[];

  /** @param keys as `isSigningKey` accepts them */
  constructor(keys: readonly string[]) {
    this.#sign = keys.map((key) => {
      const bytes = Buffer.from(key.slice(key.indexOf("_") + 1), "base64");
      return key.startsWith("whsk_") ? ed25519(bytes) : hmac(bytes);
    });
  }

  /** The headers of a request that is sent now. */
  headers(id: string, now: number, body: string): Record<string, string> {
    const timestamp = String(Math.floor(now / 1000));
    const content = `${id}.${timestamp}.${body}`;
    return {
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": this.#sign.map((each) => each(content)).join(" "),
    };
  }
}

/**
 * What receivers recognise a repeat by: the event's id where that is a UUID, else a digest of what identifies the
 * events, so that a part of a batch is another message than the whole, and the same part again the same message.
 */
export function messageId(events: readonly CloudEvent[]): string {
  const [first] = events;
  if (events.length === 1 && first && UUID.test(first.id)) return first.id;
  const identity = JSON.stringify(events.map(({ source, id }) => [source, id]));
  return createHash("sha256").update(identity).digest("base64url");
}

function hmac(key: Buffer): (content: string) => string {
  return (content) => `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
}

/** The key's 32 bytes may be followed by the public key's. */
function ed25519(bytes: Buffer): (content: string) => string {
  const der = Buffer.concat([ED25519_HEAD, bytes.subarray(0, 32)]);
  const key: KeyObject = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return (content) => `v1a,${sign(null, Buffer.from(content), key).toString("base64")}`;
}
