import assert from "node:assert/strict";
import { options } from "../../sinks/webhook/config.ts";
import { WebhookSink } from "../../sinks/webhook/webhook_sink.ts";
import { cloudEvent } from "../support/cloud_events.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { deliver, failureOf, summary } from "../support/sink_conformance.ts";
import { type Reply, WebhookReceiver } from "../support/webhook_receiver.ts";

const NEVER = new AbortController().signal;
const DAY = 24 * 60 * 60 * 1_000;

/** A sink whose time is a test's, and a far end that answers OPTIONS so. */
function far(other: Record<string, unknown>, answer: Reply) {
  const stack = new AsyncDisposableStack();
  const receiver = stack.use(
    new WebhookReceiver({ respond: ({ method }) => method === "OPTIONS" ? answer : 204 }),
  );
  const clock = new FakeClock();
  const context = { name: "Hook", baseDirectory: ".", log: { info() {}, warn() {} } };
  const sink = stack.use(new WebhookSink(options.parse({ url: receiver.url, ...other }), context, clock));
  return { receiver, clock, sink, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function allowing(origin: string, rate?: string): Reply {
  const headers = {
    "WebHook-Allowed-Origin": origin,
    ...(rate !== undefined && { "WebHook-Allowed-Rate": rate }),
  };
  return { status: 200, headers };
}

Deno.test("webhook asks for permission by its origin and the rate that it wants, and delivers by that origin", async () => {
  await using end = far({ origin: "twins.example.com", maxRequestsPerMinute: 120 }, allowing("*", "120"));
  await end.sink.connect(NEVER);
  assert.deepEqual(await deliver(end.sink, [cloudEvent(1)]), []);
  const [asked, delivered] = end.receiver.requests;
  assert.equal(asked?.method, "OPTIONS");
  assert.equal(asked.headers.get("webhook-request-origin"), "twins.example.com");
  assert.equal(asked.headers.get("webhook-request-rate"), "120");
  assert.equal(asked.headers.has("webhook-request-callback"), false);
  assert.equal(delivered?.method, "POST");
  assert.equal(delivered.headers.get("webhook-request-origin"), "twins.example.com");
  assert.equal(delivered.headers.has("webhook-request-rate"), false);
});

Deno.test("webhook asks for no rate unless one was configured", async () => {
  await using end = far({}, 204);
  await end.sink.connect(NEVER);
  assert.equal(end.receiver.requests[0]?.headers.get("webhook-request-origin"), "twinrouter");
  assert.equal(end.receiver.requests[0].headers.has("webhook-request-rate"), false);
});

Deno.test("webhook takes its own origin or an asterisk for permission, whatever the status", async () => {
  for (const origin of ["*", "twins.example.com", "Twins.Example.COM"]) {
    for (const status of [200, 204, 405]) {
      await using end = far({ origin: "twins.example.com", validation: "required" }, {
        status,
        headers: { "webhook-allowed-origin": origin, "webhook-allowed-rate": "*" },
      });
      await end.sink.connect(NEVER);
      assert.deepEqual(await deliver(end.sink, [cloudEvent(1)]), []);
    }
  }
});

Deno.test("webhook never delivers to who allows only others", async () => {
  for (const validation of ["optional", "required"]) {
    for (const origin of ["other.example.com", "*.example.com", "twinrouter.example.com"]) {
      await using end = far({ validation }, allowing(origin, "10"));
      const error = await failureOf(end.sink.connect(NEVER));
      assert.equal(error.kind, "fatal");
      assert.match(error.message, /it does not allow the origin twinrouter; see its origin$/);
    }
  }
});

Deno.test("webhook connects without permission only if it need not have it", async () => {
  const outcomes: [Reply, string, RegExp][] = [
    [204, "fatal", /its answer, 204, does not allow the origin twinrouter; see its validation$/],
    [405, "fatal", /405, does not allow the origin twinrouter; see its url$/],
    [401, "fatal", /401, does not allow the origin twinrouter; see its auth$/],
    [503, "retryable", /503, does not allow/],
    [429, "retryable", /429, does not allow/],
  ];
  for (const [answer, kind, message] of outcomes) {
    await using strict = far({ validation: "required" }, answer);
    const error = await failureOf(strict.sink.connect(NEVER));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    await using lenient = far({}, answer);
    await lenient.sink.connect(NEVER);
    assert.deepEqual(await deliver(lenient.sink, [cloudEvent(1)]), []);
  }
});

Deno.test("webhook says nothing of the handshake when it is off", async () => {
  await using end = far({ validation: "off" }, allowing("other.example.com", "1"));
  await end.sink.connect(NEVER);
  for (let number = 0; number < 3; number++) {
    assert.deepEqual(await deliver(end.sink, [cloudEvent(number)]), []);
  }
  assert.equal(end.receiver.posts.length, 3);
  for (const { headers } of end.receiver.requests) {
    assert.deepEqual([...headers.keys()].filter((name) => name.startsWith("webhook-")), []);
  }
});

const RATES: [string, Record<string, unknown>, Reply, number][] = [
  ["the far end allows", {}, allowing("*", "3"), 3],
  ["the far end allows, though more were asked for", { maxRequestsPerMinute: 5 }, allowing("*", "3"), 3],
  ["are configured, though the far end allows more", { maxRequestsPerMinute: 2 }, allowing("*", "100"), 2],
  ["are configured, though the far end sets no limit", { maxRequestsPerMinute: 2 }, allowing("*", "*"), 2],
  ["are configured, though the far end knows no handshake", { maxRequestsPerMinute: 2 }, 404, 2],
  ["are configured without a handshake", { maxRequestsPerMinute: 2, validation: "off" }, 404, 2],
];

for (const [which, other, answer, perMinute] of RATES) {
  Deno.test(`webhook sends no more requests a minute than ${which}`, async () => {
    await using end = far(other, answer);
    await end.sink.connect(NEVER);
    const deliveries = Array.from({ length: perMinute + 1 }, (_, index) => {
      return deliver(end.sink, [cloudEvent(index)]);
    });
    await Promise.all(deliveries.slice(0, perMinute));
    assert.equal(end.clock.timers, 1);
    await end.clock.advance(59_999);
    assert.equal(end.clock.timers, 1);
    assert.equal(end.receiver.posts.length, perMinute);
    await end.clock.advance(1);
    assert.deepEqual((await Promise.all(deliveries)).flat(), []);
    assert.equal(end.receiver.posts.length, perMinute + 1);
  });
}

Deno.test("webhook takes a rate that is none for no limit", async () => {
  for (const rate of ["*", "0", "-1", "1.5", "many", ""]) {
    await using end = far({}, allowing("*", rate));
    await end.sink.connect(NEVER);
    for (let number = 0; number < 5; number++) await deliver(end.sink, [cloudEvent(number)]);
    assert.equal(end.receiver.posts.length, 5, rate);
  }
});

Deno.test("webhook obeys the rate of the latest permission", async () => {
  let rate = "1";
  await using end = far({}, 204);
  end.receiver.respond = ({ method }) => method === "OPTIONS" ? allowing("*", rate) : 204;
  await end.sink.connect(NEVER);
  await deliver(end.sink, [cloudEvent(1)]);
  rate = "*";
  await end.sink.connect(NEVER);
  assert.deepEqual(await deliver(end.sink, [cloudEvent(2)]), []);
});

Deno.test("webhook ends its wait for the rate at once when it is told to stop", async () => {
  await using end = far({}, allowing("*", "1"));
  await end.sink.connect(NEVER);
  await deliver(end.sink, [cloudEvent(1)]);
  const stop = new AbortController();
  const waiting = deliver(end.sink, [cloudEvent(2)], stop.signal);
  await end.clock.advance(0);
  stop.abort();
  assert.deepEqual(summary(await waiting), ["0 retryable"]);
  assert.equal(end.receiver.posts.length, 1);
});

Deno.test("webhook sends no event at all until the time that a 429 names", async () => {
  await using end = far({}, 204);
  await end.sink.connect(NEVER);
  end.receiver.script({ status: 429, headers: { "retry-after": "7" } });
  await deliver(end.sink, [cloudEvent(1)]);
  await end.clock.advance(5000);
  const [failure] = await deliver(end.sink, [cloudEvent(2)]);
  assert.equal(failure?.error.kind, "retryable");
  assert.equal(failure.error.retryAfterMs, 2000);
  assert.equal(end.receiver.posts.length, 1);
  await end.clock.advance(2000);
  assert.deepEqual(await deliver(end.sink, [cloudEvent(2)]), []);
});

Deno.test("webhook waits as long as a 429 asks, whatever the wall clock is set to meanwhile", async () => {
  for (const jump of [DAY, -DAY]) {
    await using end = far({}, 204);
    await end.sink.connect(NEVER);
    end.receiver.script({ status: 429, headers: { "retry-after": "7" } });
    await deliver(end.sink, [cloudEvent(1)]);
    end.clock.jump(jump);
    const [failure] = await deliver(end.sink, [cloudEvent(1)]);
    assert.equal(failure?.error.retryAfterMs, 7_000);
    await end.clock.advance(7_000);
    assert.deepEqual(await deliver(end.sink, [cloudEvent(1)]), []);
  }
});

Deno.test("webhook wants no answer kept when its token is in the URL", async () => {
  await using plain = far({}, 204);
  await plain.sink.connect(NEVER);
  assert.equal(plain.receiver.requests[0]?.headers.has("cache-control"), false);
  await using end = far({ url: `${plain.receiver.url}?access_token=abc&p=q` }, 204);
  await end.sink.connect(NEVER);
  assert.equal(plain.receiver.requests[1]?.headers.get("cache-control"), "no-store");
});
