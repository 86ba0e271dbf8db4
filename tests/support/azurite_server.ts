/** Azure Storage's emulator, by Microsoft, which speaks its REST protocol. */
const PACKAGE = "npm:azurite@3.35.0";

/** Every emulator has this account, with this key. */
const ACCOUNT = "devstoreaccount1";
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/** Of its REST protocol. */
export const STORAGE_VERSION = "2021-12-02";

const LISTENING = /Azurite (\w+) service is successfully listening at (\S+)\n/g;

/** Whether it can be had: from Deno's cache or the registry. */
export async function hasAzurite(): Promise<boolean> {
  const { success } = await command("--version").output();
  return success;
}

/** An emulator of blobs and queues, in memory, on free ports. */
export class AzuriteServer implements AsyncDisposable {
  readonly blobUrl: string;
  readonly queueUrl: string;
  /** A signature that allows everything, as the query of a URL. */
  readonly signature: string;
  readonly #child: Deno.ChildProcess;
  #made = 0;

  private constructor(
    child: Deno.ChildProcess,
    blobOrigin: string,
    queueOrigin: string,
    signature: string,
  ) {
    this.#child = child;
    this.blobUrl = `${blobOrigin}/${ACCOUNT}`;
    this.queueUrl = `${queueOrigin}/${ACCOUNT}`;
    this.signature = signature;
  }

  static async start(): Promise<AzuriteServer> {
    const child = command(
      "--silent",
      "--inMemoryPersistence",
      "--skipApiVersionCheck",
      "--disableTelemetry",
      ...["blob", "queue", "table"].flatMap((kind) => [`--${kind}Host`, "127.0.0.1", `--${kind}Port`, "0"]),
    ).spawn();
    const origins = new Map<string, string>();
    let output = "";
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    while (!origins.has("Blob") || !origins.has("Queue")) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`Cannot start Azurite: ${output}`);
      output += value;
      for (const [, service = "", origin = ""] of output.matchAll(LISTENING)) origins.set(service, origin);
    }
    await reader.cancel(); // it is silent from now on
    return new AzuriteServer(
      child,
      origins.get("Blob") ?? "",
      origins.get("Queue") ?? "",
      await accountSignature(),
    );
  }

  /** A new container and a new queue, by name. */
  async storage(): Promise<{ readonly container: string; readonly queue: string }> {
    const number = ++this.#made;
    const container = `rows-${number}`;
    const queue = `messages-${number}`;
    await this.#make(`${this.blobUrl}/${container}?restype=container&${this.signature}`);
    await this.#make(`${this.queueUrl}/${queue}?${this.signature}`);
    return { container, queue };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async #make(url: string): Promise<void> {
    const response = await fetch(url, {
      method: "PUT",
      headers: { "x-ms-version": STORAGE_VERSION },
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (response.status !== 201) throw new Error(`Cannot prepare Azurite: ${response.status} ${text}`);
  }
}

function command(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    // Its own Deno, that the lock file of the program need not know it.
    args: ["run", "--quiet", "--no-prompt", "--allow-all", "--no-config", "--no-lock", PACKAGE, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
}

/** @see https://learn.microsoft.com/rest/api/storageservices/create-account-sas */
async function accountSignature(): Promise<string> {
  const fields = {
    sp: "rwdlacup",
    ss: "bq",
    srt: "sco",
    st: "",
    se: "2099-01-01T00:00:00Z",
    sip: "",
    spr: "https,http",
    sv: STORAGE_VERSION,
    ses: "",
  };
  const text = `${ACCOUNT}\n${Object.values(fields).join("\n")}\n`;
  const key = await crypto.subtle.importKey(
    "raw",
    Uint8Array.fromBase64(KEY),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const sig = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text)))
    .toBase64();
  const given = Object.entries({ ...fields, sig }).filter(([, value]) => value !== "");
  return new URLSearchParams(given).toString();
}
