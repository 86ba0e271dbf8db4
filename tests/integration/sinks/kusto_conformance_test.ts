import { options } from "../../../sinks/kusto/config.ts";
import { createSink } from "../../../sinks/kusto/mod.ts";
import { KustoFarEnd } from "../../support/kusto_far_end.ts";
import { testSink } from "../../support/sink_conformance.ts";
import { withAzurite } from "../../support/with_azurite.ts";

const CONTEXT = { name: "Adx", baseDirectory: ".", log: { info() {}, warn() {} } };
const UNREACHABLE = { ingestionUri: "http://127.0.0.1:2", database: "d", auth: { type: "none" } };

await withAzurite("kusto sinks that queue", (azurite) => {
  testSink({
    name: "kusto (queued)",
    start: () => KustoFarEnd.start(azurite(), "blob"),
    create: (farEnd) => farEnd.sink({ ingestion: "queued" }),
    createUnreachable: () => createSink(options.parse(UNREACHABLE), CONTEXT),
  });

  testSink({
    name: "kusto (managed)",
    start: () => KustoFarEnd.start(azurite(), "stream"),
    create: (farEnd) => farEnd.sink({ ingestion: "managed" }),
  });
});
