import assert from "node:assert/strict";
import { type AzuriteServer, STORAGE_VERSION } from "./azurite_server.ts";

/** What Azurite may take to answer, in milliseconds. */
const PATIENCE = 30_000;

/** A message of a queue, and the content of the blob that it tells of. */
export interface QueuedBlob {
  readonly message: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** The storage that a Kusto service offers for queued ingestion: a container and a queue of Azurite's. */
export class KustoStorage {
  readonly #azurite: AzuriteServer;
  readonly #container: string;
  readonly #queue: string;

  private constructor(azurite: AzuriteServer, container: string, queue: string) {
    this.#azurite = azurite;
    this.#container = container;
    this.#queue = queue;
  }

  static async open(azurite: AzuriteServer): Promise<KustoStorage> {
    const { container, queue } = await azurite.storage();
    return new KustoStorage(azurite, container, queue);
  }

  /** What `.get ingestion resources` tells, as it is reached through a proxy. */
  resources(proxy: string): readonly (readonly [type: string, root: string])[] {
    const root = (kind: string, name: string) =>
      `${proxy}/${kind}/devstoreaccount1/${name}?${this.#azurite.signature}`;
    return [
      ["SecuredReadyForAggregationQueue", root("queue", this.#queue)],
      ["FailedIngestionsQueue", root("queue", this.#queue)],
      ["SuccessfulIngestionsQueue", root("queue", this.#queue)],
      ["TempStorage", root("blob", this.#container)],
      ["IngestionsStatusTable", root("table", "status")],
    ];
  }

  /** Over from the proxy to Azurite, with the signature as it is. */
  async forward(
    kind: "blob" | "queue",
    { method, headers: all }: Request,
    url: URL,
    body: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const { blobUrl, queueUrl } = this.#azurite;
    const headers = new Headers([...all].filter(([name]) => /^(x-ms-|content-type)/.test(name)));
    const target = `${kind === "blob" ? blobUrl : queueUrl}${pathOf(url)}${url.search}`;
    const response = await fetch(target, { method, headers, body, signal: AbortSignal.timeout(PATIENCE) });
    return new Response(await response.bytes(), { status: response.status, headers: response.headers });
  }

  /** Takes every message, once. */
  async *queued(): AsyncGenerator<QueuedBlob> {
    const { queueUrl, signature } = this.#azurite;
    const url = `${queueUrl}/${this.#queue}/messages?numofmessages=32&visibilitytimeout=3600&${signature}`;
    while (true) {
      const response = await fetch(url, {
        headers: { "x-ms-version": STORAGE_VERSION },
        signal: AbortSignal.timeout(PATIENCE),
      });
      const xml = await response.text();
      assert.equal(response.status, 200, xml);
      const texts = [...xml.matchAll(/<MessageText>([^<]*)<\/MessageText>/g)].map(([, text = ""]) => text);
      if (texts.length === 0) return;
      for (const text of texts) {
        const message = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(text)));
        yield { message, text: await this.#contentOf(new URL(message.BlobPath)) };
      }
    }
  }

  async #contentOf(url: URL): Promise<string> {
    assert.match(url.pathname, /\.gz$/);
    const response = await fetch(`${this.#azurite.blobUrl}${pathOf(url)}${url.search}`, {
      signal: AbortSignal.timeout(PATIENCE),
    });
    assert.equal(response.status, 200);
    return await gunzip(await response.bytes());
  }
}

export async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

/** Below the account. */
function pathOf({ pathname }: URL): string {
  return pathname.replace(/^\/\w+\/devstoreaccount1/, "");
}
