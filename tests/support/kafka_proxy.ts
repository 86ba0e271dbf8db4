import { TcpProxy } from "./tcp_proxy.ts";
import { until } from "./until.ts";

/** Stands between clients and a broker; knows when something is produced. */
export class KafkaProxy implements AsyncDisposable {
  readonly tcp: TcpProxy;
  /** Produce requests that have come. */
  produced = 0;
  #held: Promise<void> | undefined;

  constructor(port: number, target: number) {
    this.tcp = TcpProxy.listen(target, port);
    this.tcp.onData = (direction, bytes) => {
      if (direction !== "up" || !beginsProduce(bytes)) return;
      this.produced++;
      if (this.#held) this.tcp.hold("down", this.#held);
    };
  }

  /** No answer to what is produced from now on passes, until then. */
  hold(until: Promise<void>): void {
    this.#held = until.finally(() => this.#held = undefined);
  }

  /** Resolves once so many Produce requests more have come. */
  async producedMore(count: number): Promise<void> {
    const goal = this.produced + count;
    await until(() => this.produced >= goal, `Produce request ${goal}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.tcp[Symbol.asyncDispose]();
  }
}

/** A request begins with its length, the API's key (0 for Produce) and version (7); kafkajs writes each at once. */
function beginsProduce(bytes: Uint8Array): boolean {
  if (bytes.length < 8) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getInt16(4) === 0 && view.getInt16(6) === 7 && view.getInt32(0) > bytes.length - 5;
}
