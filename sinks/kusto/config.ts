import { z } from "zod";
import { byteSize, choice, duration, secret, text, url } from "../../src/sink/options.ts";
import type { EventFormat } from "../../src/sink/sink.ts";

function table(meaning: string) {
  return text({ maxLength: 1024 }).describe(`Table for ${meaning}`);
}

const clientSecret = z.strictObject({
  type: z.literal("clientSecret").describe("An application with a secret"),
  tenantId: text().describe("The directory's identifier"),
  clientId: text().describe("The application's identifier"),
  clientSecret: secret().describe("The application's secret"),
  authorityHost: url().describe("Who gives tokens, outside Azure's public cloud")
    .prefault("https://login.microsoftonline.com"),
});

const managedIdentity = z.strictObject({
  type: z.literal("managedIdentity").describe("The identity of the machine, the pod or the application"),
  clientId: text().describe("Which identity, where there are several").exactOptional(),
});

const workloadIdentity = z.strictObject({
  type: z.literal("workloadIdentity").describe("A Kubernetes service account, by the file with its token"),
  tenantId: text().describe("The directory's identifier; AZURE_TENANT_ID when left out").exactOptional(),
  clientId: text().describe("The application's identifier; AZURE_CLIENT_ID when left out").exactOptional(),
});

const azureCli = z.strictObject({
  type: z.literal("azureCli").describe("Whoever is logged in with `az login`"),
  tenantId: text().describe("The directory's identifier").exactOptional(),
});

const byEnvironment = z.strictObject({
  type: z.literal("default").describe("Whichever of these the environment offers"),
});

const none = z.strictObject({ type: z.literal("none").describe("No proof at all, for an emulator") });

/** Data history in Azure Data Explorer. */
export const options = z.strictObject({
  ingestionUri: url(["https:", "http:"])
    .describe("The cluster's ingestion address: https://ingest-<cluster>.<region>.kusto.windows.net"),
  clusterUri: url(["https:", "http:"])
    .describe("The cluster's own address; ingestionUri without its `ingest-` when left out")
    .exactOptional(),
  database: text().describe("The database"),
  propertyEventsTable: table("property events").prefault("AdtPropertyEvents"),
  twinLifeCycleEventsTable: table("twins that come and go").prefault("AdtTwinLifeCycleEvents"),
  relationshipLifeCycleEventsTable: table("relationships that come and go")
    .prefault("AdtRelationshipLifeCycleEvents"),
  rawTable: table("whole events, of every format but data history").exactOptional(),
  eventIdColumn: text({ maxLength: 1024 })
    .describe("A column for the event's id, by which repeats are told; none when left out")
    .exactOptional(),
  ingestion: choice(["queued", "streaming", "managed"])
    .describe("By way of Azure Storage, directly, or directly and by way of storage when that fails")
    .prefault("queued"),
  maxBatchBytes: byteSize({ min: 1024, max: 1024 ** 3 })
    .describe("Size of the events in a batch, at most")
    .prefault("4MiB"),
  maxBatchAge: duration()
    .describe("How long a batch waits for more events; 10s, or 0s where they go directly, when left out")
    .exactOptional(),
  timeout: duration({ min: 1 }).describe("How long a request may take").prefault("1m"),
  auth: z.discriminatedUnion(
    "type",
    [clientSecret, managedIdentity, workloadIdentity, azureCli, byEnvironment, none],
    {
      error: "expected an object whose type is one of clientSecret, managedIdentity, workloadIdentity, " +
        "azureCli, default, none",
    },
  ).describe("How the router proves who it is").prefault({ type: "default" }),
});

export type KustoOptions = z.output<typeof options>;
export type KustoAuth = KustoOptions["auth"];

/** The tables of ADT's data history have columns for nothing else. */
export function refuses(format: EventFormat, { rawTable }: Partial<KustoOptions>): string | undefined {
  if (format === "DataHistory" || rawTable !== undefined) return undefined;
  return `keeps nothing but DataHistory; name a rawTable for whole events of the format ${format}`;
}
