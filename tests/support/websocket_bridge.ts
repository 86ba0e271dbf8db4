/** Carries what comes by WebSocket to a server that speaks TCP at 127.0.0.1, and back; Debian's Mosquitto has none. */
export class WebSocketBridge implements AsyncDisposable {
  readonly requests: { readonly path: string; readonly subprotocol: string }[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #sockets = new Set<WebSocket>();
  readonly #work = new Set<Promise<void>>();

  private constructor(target: number, tls: { cert: string; key: string } | undefined) {
    const listening = { hostname: "127.0.0.1", port: 0, onListen() {}, ...tls };
    this.#server = Deno.serve(listening, (request) => this.#upgrade(request, target));
  }

  /** With the paths of a certificate and its key, by TLS. */
  static async listen(target: number, tls?: { cert: string; key: string }): Promise<WebSocketBridge> {
    const texts = tls && { cert: await Deno.readTextFile(tls.cert), key: await Deno.readTextFile(tls.key) };
    return new WebSocketBridge(target, texts);
  }

  get port(): number {
    return this.#server.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    await Promise.all(this.#work);
    await this.#server.shutdown();
  }

  #upgrade(request: Request, target: number): Response {
    const subprotocol = request.headers.get("sec-websocket-protocol") ?? "";
    const { pathname, search } = new URL(request.url);
    this.requests.push({ path: pathname + search, subprotocol });
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: subprotocol });
    socket.binaryType = "arraybuffer";
    const work = this.#carry(socket, target).finally(() => this.#work.delete(work));
    this.#work.add(work);
    return response;
  }

  async #carry(socket: WebSocket, target: number): Promise<void> {
    this.#sockets.add(socket);
    const server = await Deno.connect({ hostname: "127.0.0.1", port: target });
    const closed = Promise.withResolvers<void>();
    let writing: Promise<unknown> = Promise.resolve();
    socket.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data as ArrayBuffer);
      writing = writing.then(async () => {
        for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await server.write(rest));
      }).catch(() => {}); // the server is gone
    };
    socket.onerror = () => {};
    socket.onclose = () => closed.resolve();
    const reading = (async () => {
      const chunk = new Uint8Array(65_536);
      try {
        for (let length = await server.read(chunk); length !== null; length = await server.read(chunk)) {
          socket.send(chunk.slice(0, length));
        }
      } catch {
        // Either side is gone.
      }
      if (socket.readyState === WebSocket.OPEN) socket.close();
    })();
    await closed.promise;
    await writing;
    server.close();
    await reading;
    this.#sockets.delete(socket);
  }
}
