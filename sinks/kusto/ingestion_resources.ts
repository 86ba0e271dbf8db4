import { SinkError } from "../../src/sink/sink_error.ts";
import type { KustoEndpoint } from "./kusto_endpoint.ts";

/** What the service offers for queued ingestion. Addresses carry signatures, so none may be shown. */
export interface IngestionResources {
  /** Addresses of containers; never empty. */
  readonly containers: readonly string[];
  /** Addresses of queues; never empty. */
  readonly queues: readonly string[];
  /** Shows in messages that who wrote them may. */
  readonly authorizationContext: string;
}

/** Milliseconds after which they are asked for anew, as Microsoft's clients do; signatures live longer. */
const LIFETIME = 3_600_000;

/** The resources, asked for again in time or when they are of no use. */
export class CachedResources {
  readonly #service: KustoEndpoint;
  #resources: IngestionResources | undefined;
  /** As of `performance.now()`. */
  #renewAt = 0;

  constructor(service: KustoEndpoint) {
    this.#service = service;
  }

  async get(signal: AbortSignal): Promise<IngestionResources> {
    if (!this.#resources || performance.now() > this.#renewAt) {
      this.#resources = await fetchResources(this.#service, signal);
      this.#renewAt = performance.now() + LIFETIME;
    }
    return this.#resources;
  }

  /** The next that are asked for are new. */
  drop(): void {
    this.#resources = undefined;
  }
}

async function fetchResources(service: KustoEndpoint, signal: AbortSignal): Promise<IngestionResources> {
  const rows = await service.command("NetDefaultDB", ".get ingestion resources", signal);
  const [token] = await service.command("NetDefaultDB", ".get kusto identity token", signal);
  const addresses = (type: string) =>
    rows.flatMap(({ ResourceTypeName, StorageRoot }) =>
      ResourceTypeName === type && typeof StorageRoot === "string" && URL.canParse(StorageRoot)
        ? [StorageRoot]
        : []
    );
  const containers = addresses("TempStorage");
  const queues = addresses("SecuredReadyForAggregationQueue");
  const authorizationContext = token?.["AuthorizationContext"];
  if (containers.length === 0 || queues.length === 0 || typeof authorizationContext !== "string") {
    throw new SinkError(
      "retryable",
      `Cannot queue rows by way of ${service.origin}: it offers no storage; is it the ingestion address?`,
    );
  }
  return { containers, queues, authorizationContext };
}
