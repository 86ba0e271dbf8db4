import assert from "node:assert/strict";
import { options } from "../../../sinks/mqtt/config.ts";
import { createSink } from "../../../sinks/mqtt/mod.ts";
import { cloudEvent } from "../../support/cloud_events.ts";
import { ScriptedBroker } from "../../support/scripted_broker.ts";
import { deliver, failureOf } from "../../support/sink_conformance.ts";
import { until } from "../../support/until.ts";
import { WebhookReceiver } from "../../support/webhook_receiver.ts";

const NEVER = new AbortController().signal;

/** A broker that takes one password, and an authorization server that gives token-1, token-2 and so on. */
async function protectedBroker(protocolVersion: string, username?: string) {
  const stack = new AsyncDisposableStack();
  const state = { tokens: 0, accepted: "token-1", lifetime: 3600 };
  const server = stack.use(
    new WebhookReceiver({
      respond: () => ({
        status: 200,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          access_token: `token-${++state.tokens}`,
          token_type: "Bearer",
          expires_in: state.lifetime,
        }),
      }),
    }),
  );
  const broker = stack.use(new ScriptedBroker());
  const refusal = protocolVersion === "5.0.0" ? 0x86 : 4;
  broker.refuseConnect = ({ password }) => String(password) === state.accepted ? 0 : refusal;
  const written = {
    broker: "127.0.0.1",
    port: broker.port,
    topic: "twins",
    protocolVersion,
    ...(username !== undefined && { username }),
    auth: { type: "oauth2", tokenUrl: `${server.url}token`, clientId: "router", clientSecret: "s3cret" },
  };
  const sink = stack.use(
    createSink(options.parse(written), { name: "B", baseDirectory: ".", log: { info() {}, warn() {} } }),
  );
  return { state, broker, server, sink, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("mqtt sends user name and password, or nothing", async () => {
  for (const login of [{ username: "u", password: "pä ss" }, { username: "u" }, {}]) {
    await using broker = new ScriptedBroker();
    const parsed = options.parse({ broker: "127.0.0.1", port: broker.port, topic: "t", ...login });
    await using sink = createSink(parsed, { name: "B", baseDirectory: ".", log: { info() {}, warn() {} } });
    await sink.connect(NEVER);
    const { username, password } = broker.connects[0] ?? {};
    assert.deepEqual(
      { ...(username !== undefined && { username }), ...(password && { password: password.toString() }) },
      login,
    );
  }
});

for (const protocolVersion of ["5.0.0", "3.1.1"]) {
  Deno.test(`mqtt sends a token as the password, and the same one while it is good (${protocolVersion})`, async () => {
    await using far = await protectedBroker(protocolVersion);
    assert.deepEqual(await deliver(far.sink, [cloudEvent(1)]), []);
    assert.equal(far.broker.connects[0]?.username, "router");
    far.broker.cut();
    await until(async () => (await deliver(far.sink, [cloudEvent(2)])).length === 0, "a new connection");
    assert.equal(far.state.tokens, 1);

    await using named = await protectedBroker(protocolVersion, "somebody");
    await named.sink.connect(NEVER);
    assert.equal(named.broker.connects[0]?.username, "somebody");
  });

  Deno.test(`mqtt gets a new token when the old one is refused, and is down when that one is, too (${protocolVersion})`, async () => {
    await using far = await protectedBroker(protocolVersion);
    await far.sink.connect(NEVER);
    far.state.accepted = "token-2";
    far.broker.cut();
    await until(async () => (await deliver(far.sink, [cloudEvent(1)])).length === 0, "a new connection");
    assert.deepEqual(far.broker.connects.map(({ password }) => String(password)), [
      "token-1",
      "token-1",
      "token-2",
    ]);

    far.state.accepted = "another";
    far.broker.cut();
    await until(
      async () => (await deliver(far.sink, [cloudEvent(2)])).length > 0,
      "the connection to be lost",
    );
    const error = await failureOf(far.sink.connect(NEVER));
    assert.equal(error.kind, "fatal");
    assert.match(error.message, /bad user name or password/);
    assert.doesNotMatch(Deno.inspect(error, { depth: 10 }), /token-\d|s3cret/);
  });
}

Deno.test("mqtt renews a token that has reached its end when it connects again", async () => {
  await using far = await protectedBroker("5.0.0");
  far.state.lifetime = 0;
  await far.sink.connect(NEVER);
  far.state.accepted = "token-2";
  far.broker.cut();
  await until(async () => (await deliver(far.sink, [cloudEvent(1)])).length === 0, "a new connection");
  assert.deepEqual(far.broker.connects.map(({ password }) => String(password)), ["token-1", "token-2"]);
});

Deno.test("mqtt cannot be reached while there is no token", async () => {
  await using far = await protectedBroker("5.0.0");
  far.server.respond = () => 503;
  const error = await failureOf(far.sink.connect(NEVER));
  assert.equal(error.kind, "retryable");
  assert.match(error.message, /^Cannot get a token from /);
  assert.equal(far.broker.connects.length, 0);
});
