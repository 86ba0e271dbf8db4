import { kustoTrustedEndpoints } from "azure-kusto-data";
import assert from "node:assert/strict";
import { options } from "../../sinks/kusto/config.ts";
import { createSink } from "../../sinks/kusto/mod.ts";
import { cloudEvents } from "../support/cloud_events.ts";
import { KustoFarEnd } from "../support/kusto_far_end.ts";
import type { KustoWay } from "../support/kusto_service.ts";
import { assertArrived, deliver, failureOf, summary } from "../support/sink_conformance.ts";

const NEVER = new AbortController().signal;
const STREAMING = { ingestion: "streaming" };

Deno.test("kusto trusts the addresses that the configuration names, and no others", async () => {
  const validate = (host: string) =>
    kustoTrustedEndpoints.validateTrustedEndpoint(`https://${host}`, "https://login.microsoftonline.com");
  const hosts = ["ingest-kusto.example.org", "kusto.example.org"];
  for (const host of hosts) assert.throws(() => validate(host), /not trusted/);
  const context = { name: "Adx", baseDirectory: ".", log: { info() {}, warn() {} } };
  const auth = { type: "none" };
  const ingestionUri = "https://ingest-kusto.example.org";
  await using sink = createSink(options.parse({ ingestionUri, database: "d", auth }), context);
  await failureOf(sink.connect(AbortSignal.abort()));
  for (const host of hosts) validate(host);
  assert.throws(() => validate("other-kusto.example.org"), /not trusted/);
});

Deno.test("kusto waits for a cluster that does not tell which cloud it is in, and goes on when it does", async () => {
  await using farEnd = await KustoFarEnd.start();
  await using sink = farEnd.sink(STREAMING);
  for (const status of [503, 403]) {
    farEnd.service.fail("metadata", status);
    const error = await failureOf(sink.connect(NEVER));
    assert.equal(error.kind, "retryable");
    assert.match(error.message, new RegExp(`^Cannot command http.*status code ${status}$`));
  }
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(2)), []);
});

for (const way of ["metadata", "token", "engine"] satisfies KustoWay[]) {
  Deno.test({
    name: `kusto waits for an answer no longer than its timeout (${way})`,
    // Microsoft's client cannot be stopped while it asks which cloud a cluster is in.
    sanitizeOps: way !== "metadata",
    sanitizeResources: way !== "metadata",
    fn: async () => {
      await using farEnd = await KustoFarEnd.start();
      const held = Promise.withResolvers<void>();
      farEnd.service.fail(way, { after: held.promise });
      await using sink = farEnd.sink({ ...STREAMING, timeout: "50ms" });
      const error = await failureOf(sink.connect(NEVER));
      assert.equal(error.kind, "retryable");
      assert.match(error.message, /: no answer within 50 ms$/);
      held.resolve();
    },
  });
}

Deno.test("kusto waits for streamed rows no longer than its timeout, and sends them again once", async () => {
  await using farEnd = await KustoFarEnd.start();
  const held = Promise.withResolvers<void>();
  await using sink = farEnd.sink({ ...STREAMING, timeout: "1s" });
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(1, 1, 5)), []);
  farEnd.service.fail("stream", { after: held.promise });
  const failed = await deliver(sink, cloudEvents(2));
  assert.deepEqual(summary(failed), ["0 retryable", "1 retryable"]);
  assert.match(failed[0]?.error.message ?? "", /^Cannot stream into Events at .*: no answer within 1000 ms$/);
  held.resolve();
  assert.deepEqual(await deliver(sink, cloudEvents(2)), []);
  assert.equal(farEnd.service.requests.stream, 3);
  assertArrived((await farEnd.received()).slice(-2), cloudEvents(2));
});

Deno.test("kusto streams into a table whatever its name", async () => {
  await using farEnd = await KustoFarEnd.start();
  const rawTable = "50% of a/b?c#d &é";
  await using sink = farEnd.sink({ ...STREAMING, rawTable });
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(2)), []);
  assert.equal((await farEnd.service.rows(rawTable)).length, 2);
});
