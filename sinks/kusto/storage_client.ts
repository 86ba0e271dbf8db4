import { ContainerClient, type StoragePipelineOptions } from "@azure/storage-blob";
import { QueueClient } from "@azure/storage-queue";
import { IngestClient } from "azure-kusto-ingest";
import { Buffer } from "node:buffer";
import { limitedAnswer } from "../../src/sink/limited_answer.ts";
import { currentCall } from "./call.ts";
import type { KustoAccess } from "./kusto_access.ts";
import { kustoError } from "./kusto_error.ts";

/** A container or a queue, whose address carries a signature. */
interface Resource {
  readonly uri: string;
  readonly accountName: string;
}

type HttpClient = NonNullable<StoragePipelineOptions["httpClient"]>;

/** Bytes of an answer of storage. */
const LARGEST_ANSWER = 1024 * 1024;

/** By node:http, as Deno 2.9 has it, a request that is stopped goes out once more when its connection was kept open. */
const httpClient: HttpClient = {
  async sendRequest(request) {
    const { url, method, headers, body, abortSignal } = request;
    const response = await fetch(url, {
      method,
      headers: headers.toJson(),
      body: body as BodyInit | null,
      signal: abortSignal as AbortSignal,
      redirect: "manual",
    });
    const answered = { toJson: () => Object.fromEntries(response.headers) };
    const bodyAsText = await limitedAnswer(response, LARGEST_ANSWER).text();
    return { request, status: response.status, headers: answered as typeof headers, bodyAsText };
  },
};

/** The storage clients' own tries would go on for a minute. */
const OPTIONS = { httpClient, retryOptions: { maxTries: 1 } };

/**
 * Microsoft's client for queued ingestion, but for its requests to storage: its own cannot be stopped, and of those that
 * fail it tells neither status nor `Retry-After`.
 */
export class StorageClient extends IngestClient {
  constructor(service: KustoAccess) {
    super(service.connectionString(), null, false);
    service.bind(this.resourceManager.kustoClient);
    // Private in its declaration, so that it cannot be overridden by name.
    Object.assign(this, { sendQueueMessage: (_: number, message: unknown) => this.#queue(message) });
  }

  /** What the service offers is asked for anew the next time. */
  forgetResources(): void {
    this.resourceManager.ingestClientResources = null;
    this.resourceManager.authorizationContext = null;
  }

  /** Gives the blob's address, with its signature. */
  override async uploadToBlobWithRetry(bytes: ArrayBuffer, name: string): Promise<string> {
    return await this.#first(await this.resourceManager.getContainers(), async (uri, abortSignal) => {
      const blob = new ContainerClient(uri, undefined, OPTIONS).getBlockBlobClient(name);
      await blob.upload(bytes, bytes.byteLength, { abortSignal });
      return blob.url;
    });
  }

  async #queue(message: unknown): Promise<void> {
    const text = Buffer.from(JSON.stringify(message)).toString("base64");
    await this.#first(await this.resourceManager.getIngestionQueues(), async (uri, abortSignal) => {
      await new QueueClient(uri, undefined, OPTIONS).sendMessage(text, { abortSignal });
    });
  }

  /** What the first that does it gives, of those that did best of late; what the last says where none does. */
  async #first<Result>(
    resources: readonly Resource[] | null,
    use: (uri: string, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const { signal, task } = currentCall();
    let failure: unknown = new Error("the service offers no storage; is it the ingestion address?");
    for (const { uri, accountName } of resources?.slice(0, IngestClient.MaxNumberOfRetryAttempts) ?? []) {
      try {
        const result = await use(uri, signal);
        this.resourceManager.reportResourceUsageResult(accountName, true);
        return result;
      } catch (error) {
        this.resourceManager.reportResourceUsageResult(accountName, false);
        // The next call may be under way already.
        if (signal.aborted) throw error;
        failure = error;
      }
    }
    // Their signatures may have ended.
    this.forgetResources();
    throw kustoError(failure, task);
  }
}
