import assert from "node:assert/strict";
import { options } from "../../sinks/webhook/config.ts";
import { createSink } from "../../sinks/webhook/mod.ts";
import type { Sink } from "../../src/sink/sink.ts";
import { cloudEvent, cloudEvents } from "../support/cloud_events.ts";
import { deliver, failureOf, summary } from "../support/sink_conformance.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { type Reply, WebhookReceiver } from "../support/webhook_receiver.ts";

const NEVER = new AbortController().signal;

function hook(url: string, auth: unknown, baseDirectory = "."): Sink {
  const context = { name: "Hook", baseDirectory, log: { info() {}, warn() {} } };
  return createSink(options.parse({ url, ...(auth !== undefined && { auth }) }), context);
}

/** The headers of one event that is sent so. */
async function headersSent(auth: unknown, userInfo = ""): Promise<ReadonlyMap<string, string>> {
  await using receiver = new WebhookReceiver();
  await using sink = hook(receiver.url.replace("//", `//${userInfo}`), auth);
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  return receiver.posts[0]?.headers ?? new Map();
}

Deno.test("webhook sends user name and password, from its options or its URL", async () => {
  const basic = "Basic dSBzZXI6cGE6c3PDtnJk"; // u ser:pa:ssörd
  const auth = { type: "basic", username: "u ser", password: "pa:ssörd" };
  assert.equal((await headersSent(auth)).get("authorization"), basic);
  assert.equal((await headersSent(undefined, "u%20ser:pa%3Ass%C3%B6rd@")).get("authorization"), basic);
  assert.equal((await headersSent(auth, "other:one@")).get("authorization"), basic);
  assert.equal((await headersSent(undefined)).has("authorization"), false);
});

Deno.test("webhook sends a token or a key", async () => {
  const bearer = await headersSent({ type: "bearer", token: "t0ken" });
  assert.equal(bearer.get("authorization"), "Bearer t0ken");
  const named = await headersSent({ type: "apiKey", header: "X-Functions-Key", key: "k3y" });
  assert.equal(named.get("x-functions-key"), "k3y");
  assert.equal((await headersSent({ type: "apiKey", key: "k3y" })).get("x-api-key"), "k3y");
});

Deno.test("webhook sends the token that a file has now", async () => {
  await using folder = await TemporaryFolder.make();
  await using receiver = new WebhookReceiver();
  await using sink = hook(receiver.url, { type: "bearer", tokenFile: "token" }, folder.path);
  assert.match(
    (await failureOf(sink.connect(NEVER))).message,
    /^Cannot read the token of .*token: No such file/,
  );

  await Deno.writeTextFile(`${folder.path}/token`, "first\n");
  await sink.connect(NEVER);
  await deliver(sink, [cloudEvent(1)]);
  await Deno.writeTextFile(`${folder.path}/token`, "second");
  await deliver(sink, [cloudEvent(2)]);
  await Deno.writeTextFile(`${folder.path}/token`, "\n");
  const failed = await deliver(sink, [cloudEvent(3)]);

  assert.deepEqual(
    receiver.posts.map(({ headers }) => headers.get("authorization")),
    ["Bearer first", "Bearer second"],
  );
  assert.deepEqual(summary(failed), ["0 retryable"]);
});

/** A receiver that takes one token, and an authorization server that gives tokens `token-1`, `token-2` and so on. */
async function protectedReceiver(other: Record<string, unknown> = {}) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(new WebhookReceiver());
  const receiver = stack.use(new WebhookReceiver());
  const state = {
    tokens: 0,
    accepted: "Bearer token-1",
    lifetime: 3600,
    refusal: undefined as Reply | undefined,
  };
  server.respond = () => {
    if (state.refusal !== undefined) return state.refusal;
    const token = {
      access_token: `token-${++state.tokens}`,
      token_type: "Bearer",
      expires_in: state.lifetime,
    };
    return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(token) };
  };
  receiver.respond = ({ headers, method }) => {
    return method === "OPTIONS" || headers.get("authorization") === state.accepted ? 204 : 401;
  };
  const auth = {
    type: "oauth2",
    tokenUrl: server.url,
    clientId: "router",
    clientSecret: "s3:cret",
    ...other,
  };
  const sink = stack.use(hook(receiver.url, auth));
  return { server, receiver, sink, state, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("webhook gets a token with its client credentials, and keeps it", async () => {
  await using far = await protectedReceiver({ scope: "events.write other", audience: "https://api" });
  await far.sink.connect(NEVER);
  assert.deepEqual(await deliver(far.sink, cloudEvents(5)), []);
  assert.equal(far.server.posts.length, 1);
  const [request] = far.server.posts;
  assert.equal(request?.headers.get("authorization"), `Basic ${btoa("router:s3%3Acret")}`);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(request.body)), {
    grant_type: "client_credentials",
    scope: "events.write other",
    audience: "https://api",
  });
});

Deno.test("webhook can send its client credentials in the form", async () => {
  await using far = await protectedReceiver({ clientAuthentication: "post" });
  await far.sink.connect(NEVER);
  const [request] = far.server.posts;
  assert.equal(request?.headers.has("authorization"), false);
  const form = new URLSearchParams(request.body);
  assert.deepEqual([form.get("client_id"), form.get("client_secret")], ["router", "s3:cret"]);
});

Deno.test("webhook gets one new token for all requests that need one", async () => {
  await using far = await protectedReceiver();
  far.state.lifetime = 0; // over before it is used
  await far.sink.connect(NEVER);
  far.state.lifetime = 3600;
  const before = far.server.posts.length;
  far.state.accepted = `Bearer token-${before + 1}`;
  const batches = Array.from({ length: 8 }, (_, number) => deliver(far.sink, [cloudEvent(number)]));
  assert.deepEqual((await Promise.all(batches)).flat(), []);
  assert.equal(far.server.posts.length, before + 1);
});

Deno.test("webhook tries once more with a new token when the old one is refused", async () => {
  await using far = await protectedReceiver();
  await far.sink.connect(NEVER);
  far.state.accepted = "Bearer token-2";
  const batches = Array.from({ length: 8 }, (_, number) => deliver(far.sink, [cloudEvent(number)]));
  assert.deepEqual((await Promise.all(batches)).flat(), []);
  assert.equal(far.server.posts.length, 2);

  far.state.accepted = "Bearer none";
  const [failure] = await deliver(far.sink, [cloudEvent(9)]);
  assert.equal(failure?.error.kind, "fatal");
  assert.equal(far.server.posts.length, 3);
});

Deno.test("webhook keeps a token that came after the one that was refused", async () => {
  await using far = await protectedReceiver();
  await far.sink.connect(NEVER);
  far.state.accepted = "Bearer token-2";
  const { promise: renewed, resolve: markRenewed } = Promise.withResolvers<void>();
  const asUsual = far.receiver.respond;
  far.receiver.respond = async (request) => {
    const late = request.body.includes("late") && request.headers.get("authorization") === "Bearer token-1";
    if (late) await renewed;
    return asUsual(request);
  };
  const late = deliver(far.sink, [cloudEvent(1, { partitionkey: "late" })]);
  assert.deepEqual(await deliver(far.sink, [cloudEvent(2)]), []);
  markRenewed();
  assert.deepEqual(await late, []);
  assert.equal(far.server.posts.length, 2);
});

Deno.test("webhook says why it gets no token, and shows no secret", async () => {
  await using far = await protectedReceiver();
  const json = { "content-type": "application/json" };
  const refusals: [Reply, string, RegExp][] = [
    [
      { status: 401, headers: json, body: '{"error":"invalid_client"}' },
      "fatal",
      /answers 401 \(invalid_client\)$/,
    ],
    [
      { status: 400, headers: json, body: '{"error":"invalid_scope"}' },
      "fatal",
      /answers 400 \(invalid_scope\)$/,
    ],
    [{ status: 404, body: "<html>" }, "fatal", /answers 404$/],
    [{ status: 302, headers: { location: "https://elsewhere" } }, "fatal", /answers 302$/],
    [{ status: 503, headers: { "retry-after": "3" } }, "retryable", /answers 503$/],
    [{ status: 200, body: "<html>" }, "retryable", /its answer is no token$/],
    [{ status: 200, headers: json, body: "{}" }, "retryable", /its answer is no token$/],
    [{ raw: "" }, "retryable", /^Cannot reach /],
  ];
  for (const [refusal, kind, message] of refusals) {
    far.state.refusal = refusal;
    const error = await failureOf(far.sink.connect(NEVER));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    assert.doesNotMatch(Deno.inspect(error, { depth: 10 }), /s3|cret/);
    if (message.source.includes("503")) assert.equal(error.retryAfterMs, 3000);
  }
  assert.deepEqual(far.receiver.requests, []);
});

Deno.test("webhook does not let one request's end fail the others that wait for a token", async () => {
  await using far = await protectedReceiver();
  await far.sink.connect(NEVER);
  far.state.accepted = "Bearer token-2";
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const asUsual = far.server.respond;
  far.server.respond = async (request) => {
    await answered;
    return asUsual(request);
  };
  const stop = new AbortController();
  const stopped = deliver(far.sink, [cloudEvent(1)], stop.signal);
  const other = deliver(far.sink, [cloudEvent(2)]);
  await far.server.received(2);
  stop.abort();
  assert.deepEqual(summary(await stopped), ["0 retryable"]);
  answer();
  assert.deepEqual(await other, []);
});

Deno.test("webhook can be let go of while it waits for a token", async () => {
  await using server = new WebhookReceiver({ respond: () => "hang" });
  const sink = hook("http://127.0.0.1:2/", {
    type: "oauth2",
    tokenUrl: server.url,
    clientId: "router",
    clientSecret: "secret",
  });
  const stop = new AbortController();
  const connection = failureOf(sink.connect(stop.signal));
  await server.received(1);
  stop.abort();
  assert.equal((await connection).kind, "retryable");
  await sink[Symbol.asyncDispose]();
});
