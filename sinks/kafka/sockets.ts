import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ISocketFactory } from "kafkajs";

const KEEP_ALIVE_MS = 60_000;

/** The sockets of one client, which can be cut all at once: after that nothing goes out, and none is made any more. */
export class Sockets {
  readonly #idleMs: number;
  readonly #open = new Set<Socket>();
  #isCut = false;

  /** @param idleMs a connection that is not used for so long is closed */
  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  readonly factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.#isCut) throw new Error("the connection was given up");
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl
      ? connectTls({ host, port, ...servername, ...ssl }, onConnect)
      : connect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    socket.setTimeout(this.#idleMs);
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    return socket;
  };

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy(new Error("the connection was given up"));
  }
}
