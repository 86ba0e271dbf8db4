/** A request's first line and headers. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
}

const decoder = new TextDecoder();
/** Maps each byte to one character, so that lengths in characters are lengths in bytes. */
const latin1 = new TextDecoder("latin1");

/** Reads HTTP/1.1 requests from one connection, one after another. */
export class HttpReader {
  readonly #connection: Deno.Conn;
  #buffer: Uint8Array = new Uint8Array();

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** The next request's head, or undefined at the end of the connection. */
  async head(): Promise<RequestHead | undefined> {
    const text = await this.#until("\r\n\r\n");
    if (text === undefined) return undefined;
    const [first = "", ...lines] = text.split("\r\n");
    const [method = "", path = ""] = first.split(" ");
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    return { method, path, headers };
  }

  /** The body that these headers announce. */
  async body(headers: ReadonlyMap<string, string>): Promise<string> {
    if (headers.get("transfer-encoding") !== "chunked") {
      return decoder.decode(await this.#take(Number(headers.get("content-length") ?? 0)));
    }
    const chunks: Uint8Array[] = [];
    while (true) {
      const size = parseInt(await this.#until("\r\n") ?? "0", 16);
      chunks.push(await this.#take(size));
      await this.#take(2);
      if (size === 0) return decoder.decode(await new Blob(chunks as BlobPart[]).arrayBuffer());
    }
  }

  /** Resolves when the other side has closed the connection. */
  async end(): Promise<void> {
    while (await this.#read());
  }

  /** What comes before `mark`, both consumed; undefined when the connection ends first. */
  async #until(mark: string): Promise<string | undefined> {
    while (true) {
      const at = latin1.decode(this.#buffer).indexOf(mark);
      if (at >= 0) return latin1.decode((await this.#take(at + mark.length)).subarray(0, at));
      if (!await this.#read()) return undefined;
    }
  }

  async #take(length: number): Promise<Uint8Array> {
    while (this.#buffer.length < length) {
      if (!await this.#read()) throw new Error("Cannot read a request: the connection ended within it");
    }
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #read(): Promise<boolean> {
    const chunk = new Uint8Array(65_536);
    const length = await this.#connection.read(chunk);
    if (length === null) return false;
    const joined = new Uint8Array(this.#buffer.length + length);
    joined.set(this.#buffer);
    joined.set(chunk.subarray(0, length), this.#buffer.length);
    this.#buffer = joined;
    return true;
  }
}
