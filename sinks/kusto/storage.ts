import { Buffer } from "node:buffer";
import { retryAfterMs } from "../../src/sink/http_answer.ts";
import type { HttpClient } from "../../src/sink/http_client.ts";
import { SinkError } from "../../src/sink/sink_error.ts";

/** Of Azure Storage's REST protocol. */
const VERSION = "2021-12-02";

/**
 * Puts a blob into a container, whose address carries its signature, and gives the blob's address, with it. Throws a
 * retryable `SinkError`: other storage, or a new signature for this one, may do better.
 * @see https://learn.microsoft.com/rest/api/storageservices/put-blob
 */
export async function putBlob(
  container: string,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  http: HttpClient,
  signal: AbortSignal,
): Promise<string> {
  const url = below(container, name);
  const headers = { "x-ms-blob-type": "BlockBlob", "content-type": "application/gzip" };
  await send(url, { method: "PUT", headers, body: bytes }, "upload rows", http, signal);
  return url.href;
}

/**
 * Puts a message into a queue, whose address carries its signature. Throws as `putBlob` does.
 * @see https://learn.microsoft.com/rest/api/storageservices/put-message
 */
export async function putMessage(
  queue: string,
  message: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<void> {
  const text = Buffer.from(message).toString("base64");
  const body =
    `<?xml version="1.0" encoding="utf-8"?><QueueMessage><MessageText>${text}</MessageText></QueueMessage>`;
  const headers = { "content-type": "application/xml" };
  await send(below(queue, "messages"), { method: "POST", headers, body }, "queue rows", http, signal);
}

async function send(
  url: URL,
  request: { method: string; headers: Record<string, string>; body: string | Uint8Array<ArrayBuffer> },
  action: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<void> {
  const headers = { ...request.headers, "x-ms-version": VERSION };
  const answer = await http.send(url, { ...request, headers }, signal);
  if (answer.status === 201) return;
  const wait = retryAfterMs(answer.headers, Date.now());
  const code = answer.headers.get("x-ms-error-code");
  throw new SinkError(
    "retryable",
    `Cannot ${action} at ${url.origin}: it answers ${answer.status}${code === null ? "" : ` (${code})`}`,
    wait === undefined ? {} : { retryAfterMs: wait },
  );
}

function below(address: string, name: string): URL {
  const url = new URL(address);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${encodeURIComponent(name)}`;
  return url;
}
