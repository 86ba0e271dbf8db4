import assert from "node:assert/strict";
import { Dispatcher } from "../../../src/deliver/dispatcher.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import type { Sink } from "../../../src/sink/sink.ts";
import { options } from "../../../sinks/mqtt/config.ts";
import { createSink } from "../../../sinks/mqtt/mod.ts";
import { cloudEvent, cloudEvents } from "../../support/cloud_events.ts";
import { DeadLetterRecords, LogRecords } from "../../support/delivery.ts";
import { hasMosquitto } from "../../support/mosquitto.ts";
import type { MosquittoOptions } from "../../support/mosquitto_server.ts";
import { MqttFarEnd } from "../../support/mqtt_far_end.ts";
import { routerEvent } from "../../support/router_events.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { deliver, failureOf, summary } from "../../support/sink_conformance.ts";
import { until } from "../../support/until.ts";

const ignore = !hasMosquitto();
const NEVER = new AbortController().signal;
const EVENTS = 2000;
const KEYS = 20;
const SETTINGS = { max_queued_messages: 100_000, max_inflight_messages: 100 };

function mqttSink(farEnd: MqttFarEnd, written: Record<string, unknown> = {}): Sink {
  const parsed = options.parse({
    broker: "127.0.0.1",
    port: farEnd.proxy.port,
    topic: "twins/{partitionkey}",
    ...written,
  });
  return createSink(parsed, { name: "Broker", baseDirectory: ".", log: { info() {}, warn() {} } });
}

/** A sink that a dispatcher serves, with waits so short that a test can afford them. */
class Served implements AsyncDisposable {
  readonly deadLetters = new DeadLetterRecords();
  readonly #dispatcher: Dispatcher;
  #isSettled = false;

  constructor(sink: Sink, maxAttempts = 1000) {
    const settings = {
      name: "Broker",
      kind: "mqtt",
      sink,
      maxBatchSize: 1000,
      retry: { initial: 10, max: 100, maxAttempts },
      queue: { maxEvents: 100_000, maxBytes: Infinity },
    };
    this.#dispatcher = new Dispatcher([settings], {
      deadLetters: this.deadLetters,
      metrics: new Metrics(),
      log: new LogRecords(),
      onConfirmable: (lsn) => this.#isSettled = lsn === BigInt(EVENTS),
    });
    this.#dispatcher.start();
    for (let number = 0; number < EVENTS; number++) {
      this.#dispatcher.enqueue(routerEvent(`room-${number % KEYS}`, number), [{ sink: 0, route: "r" }]);
    }
    this.#dispatcher.settle(BigInt(EVENTS));
  }

  get state(): string | undefined {
    return this.#dispatcher.states()[0]?.state;
  }

  /** Resolves once every event is delivered or a dead letter. */
  settled(): Promise<void> {
    return until(
      () => this.#isSettled,
      () => `every event to be settled; ${JSON.stringify(this.#dispatcher.states())}`,
      120_000,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispatcher[Symbol.asyncDispose]();
  }
}

/** Everything but these has arrived, each key's first occurrences in order; how many came more than once. */
async function assertNothingLost(
  farEnd: MqttFarEnd,
  what: string,
  except: readonly string[] = [],
): Promise<number> {
  const received = await farEnd.received();
  const firsts = [...new Set(received.map(({ attributes }) => attributes.id))];
  for (let key = 0; key < KEYS; key++) {
    const own = (id: string) => id.startsWith(`room-${key}-`);
    const sent = cloudEvents(EVENTS, KEYS).map(({ id }) => id).filter((id) =>
      own(id) && !except.includes(id)
    );
    assert.deepEqual(firsts.filter(own), sent, what);
  }
  return received.length - firsts.length;
}

const CASES = [
  { protocolVersion: "5.0.0", qos: 0 },
  { protocolVersion: "5.0.0", qos: 1 },
  { protocolVersion: "5.0.0", qos: 2 },
  { protocolVersion: "3.1.1", qos: 1 },
  { protocolVersion: "3.1.1", qos: 2 },
  { protocolVersion: "3.1.0", qos: 1 },
] as const;

for (const written of CASES) {
  const name = `mqtt (${written.protocolVersion}, QoS ${written.qos})`;

  Deno.test(
    { name: `${name} loses nothing and keeps order while connections are cut off`, ignore },
    async () => {
      const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
      const random = new SeededRandom(seed);
      await using farEnd = await MqttFarEnd.start({ settings: SETTINGS });
      let cuts = 0;
      farEnd.proxy.onConnect = () => {
        if (++cuts > 25) return;
        const direction = written.qos === 0 ? "up" : random.pick(["up", "down"] as const);
        farEnd.proxy.cutAfter(
          direction,
          direction === "up" ? 1 + random.below(80_000) : 1 + random.below(1500),
        );
      };
      await using served = new Served(mqttSink(farEnd, written));
      await served.settled();
      const repeats = await assertNothingLost(farEnd, `seed ${seed}`);
      assert(cuts > 3, `only ${cuts} connections`);
      if (written.qos === 2) assert.equal(repeats, 0, `seed ${seed}`);
      assert.deepEqual(served.deadLetters.letters, []);
    },
  );

  if (written.qos === 0) continue; // of what it has read at QoS 0, a broker keeps nothing for a reader that is away

  Deno.test(
    { name: `${name} loses nothing and keeps order when the broker is stopped and started`, ignore },
    async () => {
      await using farEnd = await MqttFarEnd.start({ settings: SETTINGS });
      await using served = new Served(mqttSink(farEnd, { ...written, maxInFlight: 10 }));
      for (const after of [100, 700]) {
        await farEnd.reader.received(after);
        await farEnd.server.stop();
        await until(() => served.state !== "connected", "the sink to notice");
        await farEnd.server.start();
      }
      await served.settled();
      const repeats = await assertNothingLost(farEnd, name);
      if (written.qos === 2) assert.equal(repeats, 0);
      assert.deepEqual(served.deadLetters.letters, []);
    },
  );

  Deno.test({ name: `${name} loses nothing and keeps order when the broker freezes`, ignore }, async () => {
    await using farEnd = await MqttFarEnd.start({ settings: SETTINGS });
    await using served = new Served(mqttSink(farEnd, { ...written, maxInFlight: 10, keepAlive: "1s" }));
    await farEnd.reader.received(100);
    farEnd.server.freeze();
    await until(() => served.state !== "connected", "the sink to notice");
    farEnd.server.thaw();
    await served.settled();
    await assertNothingLost(farEnd, name);
    assert.deepEqual(served.deadLetters.letters, []);
  });
}

/** Refuses one event: its topic is a name of its own. */
const DENIED = cloudEvents(EVENTS, KEYS)[7]?.id ?? "";
const aclWithout = (id: string) => `pattern readwrite #\ntopic readwrite #\ntopic deny twins/${id}\n`;

async function start(server: MosquittoOptions) {
  return await MqttFarEnd.start({ ...server, settings: { ...SETTINGS, ...server.settings } });
}

Deno.test({
  name: "mqtt (5.0.0) makes a dead letter of the event alone that an access control list refuses",
  ignore,
}, async () => {
  await using farEnd = await start({ acl: aclWithout(DENIED) });
  await using served = new Served(mqttSink(farEnd, { topic: "twins/{id}" }));
  await served.settled();
  assert.deepEqual(served.deadLetters.ids, [DENIED]);
  assert.match(served.deadLetters.letters[0]?.reason ?? "", /not authorized \(0x87\)/);
  await assertNothingLost(farEnd, "acl", [DENIED]);
});

Deno.test(
  { name: "mqtt (5.0.0) is down when an access control list refuses the only topic", ignore },
  async () => {
    await using farEnd = await start({ acl: "topic readwrite mark/#\ntopic read #\n" });
    await using sink = mqttSink(farEnd, { topic: "twins" });
    await sink.connect(NEVER);
    const failed = await deliver(sink, cloudEvents(2));
    assert.equal(failed[0]?.error.kind, "fatal");
  },
);

Deno.test({
  name: "mqtt (3.1.1) cannot know what an access control list refuses: Mosquitto acknowledges it",
  ignore,
}, async () => {
  await using farEnd = await start({ acl: aclWithout("room-1-1") });
  await using sink = mqttSink(farEnd, { topic: "twins/{id}", protocolVersion: "3.1.1" });
  assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
  assert.deepEqual((await farEnd.received()).map(({ attributes }) => attributes.id), [
    "room-0-0",
    "room-2-2",
  ]);
});

for (
  const [protocolVersion, setting, reason] of [
    ["5.0.0", "max_packet_size", /its packet has \d+ bytes/],
    ["5.0.0", "message_size_limit", /Invalid puback reason code/],
    ["3.1.1", "max_packet_size", /closed|reset/i],
  ] as const
) {
  Deno.test({
    name: `mqtt (${protocolVersion}) makes a dead letter of the event alone that ${setting} refuses`,
    ignore,
  }, async () => {
    await using farEnd = await start({ settings: { [setting]: 5000 } });
    const sink = mqttSink(farEnd, { protocolVersion });
    const large = cloudEvents(EVENTS, KEYS)[7]?.id ?? "";
    const enlarging: Sink = {
      batch: sink.batch ?? {},
      connect: (signal) => sink.connect(signal),
      deliver: (batch, signal) =>
        sink.deliver(
          batch.map((event) => event.id === large ? { ...event, data: `"${"x".repeat(6000)}"` } : event),
          signal,
        ),
      [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
    };
    await using served = new Served(enlarging, 3);
    await served.settled();
    assert.deepEqual(served.deadLetters.ids, [large]);
    assert.match(served.deadLetters.letters[0]?.reason ?? "", reason);
    await assertNothingLost(farEnd, setting, [large]);
  });
}

Deno.test({
  name: "mqtt is down when its password is no good any more, also for a connection that it had",
  ignore,
}, async () => {
  for (const protocolVersion of ["5.0.0", "3.1.1"]) {
    const reader = { reader: "r" };
    await using farEnd = await start({ passwords: { router: "one", ...reader } });
    await using sink = mqttSink(farEnd, { protocolVersion, username: "router", password: "one" });
    assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
    await farEnd.server.setPasswords({ router: "two", ...reader });
    farEnd.proxy.cut();
    await until(async () => (await deliver(sink, [cloudEvent(2)])).length > 0, "the connection to be lost");
    const error = await failureOf(sink.connect(NEVER));
    assert.equal(error.kind, "fatal");
    assert.match(error.message, /not authorized/);
    await using reloaded = mqttSink(farEnd, { protocolVersion, username: "router", password: "two" });
    assert.deepEqual(summary(await deliver(reloaded, [cloudEvent(2)])), []);
  }
});
