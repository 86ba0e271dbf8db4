import { z } from "zod";
import { text, url } from "../../src/sink/options.ts";

function table(meaning: string, name: string) {
  return text({ maxLength: 1024 }).describe(`Table for ${meaning}`).prefault(name);
}

/** Data history in Azure Data Explorer. */
export const options = z.strictObject({
  ingestionUri: url(["https:", "http:"])
    .describe("The cluster's ingestion address: https://ingest-<cluster>.<region>.kusto.windows.net"),
  database: text().describe("The database"),
  propertyEventsTable: table("property events", "AdtPropertyEvents"),
  twinLifeCycleEventsTable: table("twins that come and go", "AdtTwinLifeCycleEvents"),
  relationshipLifeCycleEventsTable: table(
    "relationships that come and go",
    "AdtRelationshipLifeCycleEvents",
  ),
});

export type KustoOptions = z.output<typeof options>;
