import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { options } from "../../sinks/webhook/config.ts";
import { Signer } from "../../sinks/webhook/signature.ts";
import { WebhookSink } from "../../sinks/webhook/webhook_sink.ts";
import type { CloudEvent } from "../../src/sink/sink.ts";
import { cloudEvent } from "../support/cloud_events.ts";
import { hardEvents } from "../support/hard_events.ts";
import { deliver } from "../support/sink_conformance.ts";
import { type ReceivedRequest, type Reply, WebhookReceiver } from "../support/webhook_receiver.ts";

const NEVER = new AbortController().signal;
const OLD = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;
const NEW = `whsec_${Buffer.alloc(64, 2).toString("base64")}`;
const ID = "01980000-0000-8000-8000-000000000001";

/** What arrives of these batches, each delivered by one call. */
async function sent(
  other: Record<string, unknown>,
  batches: readonly (readonly CloudEvent[])[],
  ...replies: Reply[]
): Promise<ReceivedRequest[]> {
  await using receiver = new WebhookReceiver();
  receiver.script(...replies);
  const context = { name: "Hook", baseDirectory: ".", log: { info() {}, warn() {} } };
  await using sink = new WebhookSink(options.parse({ url: receiver.url, ...other }), context);
  await sink.connect(NEVER);
  for (const batch of batches) await deliver(sink, batch);
  for (const { method, headers } of receiver.requests) {
    assert.equal(headers.has("webhook-signature"), method === "POST" && "signingKeys" in other);
  }
  return receiver.posts;
}

function verified({ headers, body }: ReceivedRequest, key: string): boolean {
  try {
    new Webhook(key).verify(body, Object.fromEntries(headers));
    return true;
  } catch {
    return false;
  }
}

Deno.test("Signer signs as the reference implementations' own test has it", () => {
  const signer = new Signer(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
  assert.deepEqual(
    signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_999, '{"test": 2432232314}'),
    {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
  );
});

for (const contentMode of ["structured", "binary", "batched"]) {
  Deno.test(`webhook (${contentMode}) signs requests so that the standardwebhooks package verifies them`, async () => {
    const batches = hardEvents().map(([, event]) => [event]);
    const posts = await sent({ contentMode, signingKeys: [OLD] }, [...batches, batches.flat()]);
    assert(posts.length > batches.length);
    for (const post of posts) {
      assert.equal(verified(post, OLD), true);
      assert.equal(verified(post, NEW), false);
      assert.equal(verified({ ...post, body: post.body.replace("{", "{ ") }, OLD), false);
    }
  });
}

Deno.test("webhook signs with every key, so that a receiver may know either", async () => {
  const [post] = await sent({ signingKeys: [NEW, OLD] }, [[cloudEvent(1)]]);
  assert(post && verified(post, OLD) && verified(post, NEW));
  assert.equal(post.headers.get("webhook-signature")?.split(" ").length, 2);
});

Deno.test("webhook signs with an Ed25519 key, which its public key verifies", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d = "", x = "" } = privateKey.export({ format: "jwk" });
  const seed = Buffer.from(d, "base64url");
  const pair = Buffer.concat([seed, Buffer.from(x, "base64url")]);
  const publicKey = createPublicKey(privateKey);
  for (const bytes of [seed, pair]) {
    const signingKeys = [`whsk_${bytes.toString("base64")}`, OLD];
    const [post] = await sent({ signingKeys }, [[cloudEvent(1)]]);
    assert(post);
    const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures = "" } = Object
      .fromEntries(post.headers);
    const signature = signatures.split(" ").find((each) => each.startsWith("v1a,"))?.slice(4) ?? "";
    const content = Buffer.from(`${id}.${time}.${post.body}`);
    assert.equal(verify(null, content, publicKey, Buffer.from(signature, "base64")), true);
    assert.equal(verified(post, OLD), true);
  }
});

Deno.test("webhook names an event by its id, also when it comes again", async () => {
  const event = cloudEvent(1, { id: ID });
  for (const contentMode of ["structured", "binary", "batched"]) {
    const posts = await sent({ contentMode, signingKeys: [OLD] }, [[event], [event]], 503);
    assert.deepEqual(posts.map(({ headers }) => headers.get("webhook-id")), [ID, ID]);
  }
});

Deno.test("webhook names what no UUID names by a digest, the same for the same and another for others", async () => {
  const events = [
    cloudEvent(1, { id: "1.2 €" }),
    cloudEvent(2, { id: "1.2 €", source: "postgresql://localhost/twins/other" }),
    cloudEvent(3, { id: ID }),
  ];
  const [one, two, three] = events as [CloudEvent, CloudEvent, CloudEvent];
  const batches = [[one], [two], [one, three], [three, one], [one, two, three]];
  const other = { contentMode: "batched", signingKeys: [OLD] };
  const ids = async () => (await sent(other, batches)).map(({ headers }) => headers.get("webhook-id"));
  const first = await ids();
  assert.equal(new Set(first).size, batches.length);
  for (const id of first) assert.match(id ?? "", /^[\w-]{43}$/);
  assert.deepEqual(await ids(), first);
});

Deno.test("webhook names the parts of a batch that was rejected otherwise than the whole", async () => {
  const posts = await sent(
    { contentMode: "batched", signingKeys: [OLD] },
    [[cloudEvent(1), cloudEvent(2)]],
    413,
  );
  assert.equal(posts.length, 3);
  assert.equal(new Set(posts.map(({ headers }) => headers.get("webhook-id"))).size, 3);
  assert(posts.every((post) => verified(post, OLD)));
});

Deno.test("webhook knows a signing key that is none, and does not tell it", () => {
  const keys = [
    "",
    "secret",
    OLD.slice(6),
    `${OLD}!`,
    OLD.slice(0, -4),
    `${NEW}AAAA`,
    "whsk_AAAA",
    "whpk_AAAA",
  ];
  for (const key of keys) {
    const { success, error } = options.safeParse({ url: "https://example.com", signingKeys: [OLD, key] });
    assert.equal(success, false, key);
    assert(key === "" || !JSON.stringify(error.issues).includes(key));
  }
  assert.equal(options.safeParse({ url: "https://example.com", signingKeys: [] }).success, false);
});
