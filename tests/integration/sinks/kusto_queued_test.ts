import assert from "node:assert/strict";
import { cloudEvent, cloudEvents } from "../../support/cloud_events.ts";
import { property, twinCreated } from "../../support/history_events.ts";
import { KustoFarEnd } from "../../support/kusto_far_end.ts";
import { assertArrived, deliver, summary } from "../../support/sink_conformance.ts";
import { withAzurite } from "../../support/with_azurite.ts";

const NEVER = new AbortController().signal;

await withAzurite("kusto sinks that queue, and their faults", (azurite) => {
  /** A connected sink that queues, unless it is told otherwise. */
  async function connected(other: Record<string, unknown> = {}) {
    const stack = new AsyncDisposableStack();
    const farEnd = stack.use(await KustoFarEnd.start(azurite()));
    const sink = stack.use(farEnd.sink(other));
    await sink.connect(NEVER);
    return { farEnd, service: farEnd.service, sink, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  }

  Deno.test("kusto queues a blob for each table, with the size that its rows have", async () => {
    await using far = await connected();
    const batch = [
      twinCreated(0, "t"),
      property(1, "t", "p", "1"),
      property(2, "t", "q", "2"),
      cloudEvent(3),
    ];
    assert.deepEqual(await deliver(far.sink, batch), []);
    assert.equal((await far.service.values("AdtPropertyEvents")).length, 2);
    assert.equal((await far.service.values("AdtTwinLifeCycleEvents")).length, 1);
    assertArrived(await far.farEnd.received(), batch.slice(3));
    assert.deepEqual(far.service.messages.map(({ TableName }) => TableName), [
      "AdtTwinLifeCycleEvents",
      "AdtPropertyEvents",
      "Events",
    ]);
    // The service compares it with the blob's content.
    assert(far.service.messages.every(({ RawDataSize }) => Number(RawDataSize) > 0));
  });

  for (const way of ["blob", "queue"] as const) {
    Deno.test(`kusto sees that the ${way} is not taken, and loses nothing`, async () => {
      await using far = await connected();
      for (const fault of [500, 503, 403, 404]) {
        far.service.fail(way, fault);
        const failed = await deliver(far.sink, cloudEvents(3));
        assert.deepEqual(summary(failed), ["0 retryable", "1 retryable", "2 retryable"], `${fault}`);
        assert.match(failed[0]?.error.message ?? "", new RegExp(`^Cannot .* it answers ${fault}$`));
        assert.doesNotMatch(failed[0]?.error.message ?? "", /sig=/);
      }
      far.service.fail(way, { status: 503, headers: { "retry-after": "9" } });
      assert.equal((await deliver(far.sink, cloudEvents(3)))[0]?.error.retryAfterMs, 9000);
      assert.deepEqual(await far.farEnd.received(), []);
      assert.deepEqual(await deliver(far.sink, cloudEvents(3)), []);
      assertArrived(await far.farEnd.received(), cloudEvents(3));
    });
  }

  Deno.test("kusto asks for storage again when what it has is refused, and no sooner", async () => {
    await using far = await connected();
    const asked = () => far.service.commands.filter((each) => each === ".get ingestion resources").length;
    for (let first = 0; first < 5; first++) await deliver(far.sink, cloudEvents(1, 1, first));
    assert.equal(asked(), 1);
    far.service.fail("blob", 403);
    await deliver(far.sink, cloudEvents(1, 1, 5));
    assert.equal(asked(), 1);
    assert.deepEqual(await deliver(far.sink, cloudEvents(1, 1, 5)), []);
    assert.equal(asked(), 2);
  });

  Deno.test("kusto gives rows a mapping of their own where it may not make one", async () => {
    await using farEnd = await KustoFarEnd.start(azurite());
    farEnd.service.mayCreate = false;
    await using sink = farEnd.sink();
    await sink.connect(NEVER);
    const { commands } = farEnd.warnings[0]?.fields as { commands: string[] };
    // An administrator makes the tables, and forgets the mappings.
    for (const command of commands) {
      if (command.startsWith(".create-merge")) farEnd.service.database.command(command);
    }
    assert.deepEqual(await deliver(sink, [property(1, "t", "p", "1.5")]), []);
    const [row] = await farEnd.service.values("AdtPropertyEvents");
    assert.deepEqual([row?.Id, row?.Key, row?.Value], ["t", "p", 1.5]);
    const properties = farEnd.service.messages[0]?.AdditionalProperties as Record<string, unknown>;
    assert(!("ingestionMappingReference" in properties));
  });

  Deno.test("kusto is down when the ingestion service does not let it in", async () => {
    await using farEnd = await KustoFarEnd.start(azurite());
    farEnd.service.fail("service", 403);
    await using sink = farEnd.sink();
    await assert.rejects(sink.connect(NEVER), { kind: "fatal", message: /answers 403/ });
    farEnd.service.fail("service", { status: 429, headers: { "retry-after": "2" } });
    await assert.rejects(sink.connect(NEVER), { kind: "retryable", retryAfterMs: 2000 });
    await sink.connect(NEVER);
    assert.deepEqual(await deliver(sink, cloudEvents(1)), []);
  });

  Deno.test("kusto goes on when service and storage were away, and has lost nothing", async () => {
    await using far = await connected();
    const held = Promise.withResolvers<void>();
    far.service.fail("queue", { after: held.promise });
    const delivery = deliver(far.sink, cloudEvents(5));
    await far.service.seen("queue", 1);
    const stopped = far.service.stop(); // cuts the connection before the message is there
    const failed = await delivery;
    assert.equal(failed.length, 5);
    assert(failed.every(({ error }) => error.kind === "retryable"));
    held.resolve();
    await stopped;
    assert.equal((await deliver(far.sink, cloudEvents(5))).length, 5);
    far.service.start();
    assert.deepEqual(await deliver(far.sink, cloudEvents(5)), []);
    assertArrived(await far.farEnd.received(), cloudEvents(5));
  });

  Deno.test("kusto that is managed streams, and queues what is too large for that", async () => {
    await using far = await connected({ ingestion: "managed" });
    const large = cloudEvent(1, { data: JSON.stringify("x".repeat(4_000_000)) });
    const batch = [cloudEvent(0), large, cloudEvent(2)];
    assert.deepEqual(await deliver(far.sink, batch), []);
    assert.equal(far.service.database.table("Events").rows.length, 2);
    assertArrived(await far.farEnd.received(), batch);
    assert.equal(far.service.messages.length, 1);
  });

  Deno.test("kusto that is managed queues while streaming fails, for as long as it is asked to", async () => {
    await using far = await connected({ ingestion: "managed" });
    far.service.fail("stream", { status: 503, headers: { "retry-after": "3600" } });
    for (let first = 0; first < 4; first += 2) {
      assert.deepEqual(await deliver(far.sink, cloudEvents(2, 2, first)), []);
    }
    assert.equal(far.service.requests.stream, 1);
    assertArrived(await far.farEnd.received(), cloudEvents(4, 2));
    assert.equal(far.service.messages.length, 2);

    await using other = await connected({ ingestion: "managed" });
    other.service.fail("stream", { status: 503, headers: { "retry-after": "0" } });
    assert.deepEqual(await deliver(other.sink, cloudEvents(2)), []);
    await other.service.ingestQueued();
    assert.deepEqual(await deliver(other.sink, cloudEvents(2, 2, 2)), []);
    assert.equal(other.service.requests.stream, 2);
    assertArrived(await other.farEnd.received(), cloudEvents(4, 2));
    assert.equal(other.service.messages.length, 1);
  });

  Deno.test("kusto that is managed rejects what streaming cannot read, instead of queueing it", async () => {
    await using far = await connected({ ingestion: "managed" });
    const batch = cloudEvents(4, 2);
    far.service.refused.set("room-1-1", "rejected");
    assert.deepEqual(summary(await deliver(far.sink, batch)), ["1 rejected", "3 retryable"]);
    assertArrived(await far.farEnd.received(), [batch[0], batch[2]].filter((each) => each !== undefined));
    assert.equal(far.service.messages.length, 0);
  });

  for (const way of ["blob", "queue"] as const) {
    Deno.test(`kusto waits for the ${way} no longer than its timeout, and sends again once`, async () => {
      await using far = await connected({ timeout: "1s" });
      const held = Promise.withResolvers<void>();
      far.service.fail(way, { after: held.promise });
      const failed = await deliver(far.sink, cloudEvents(2));
      assert.deepEqual(summary(failed), ["0 retryable", "1 retryable"]);
      assert.match(failed[0]?.error.message ?? "", /^Cannot (upload|queue) rows: no answer within 1000 ms$/);
      held.resolve();
      assert.deepEqual(await deliver(far.sink, cloudEvents(2)), []);
      assert.equal(far.service.requests[way], 2);
      // Storage may have taken the first ones, and only the answer was late.
      assertArrived((await far.farEnd.received()).slice(-2), cloudEvents(2));
    });
  }
});
