import { Readable } from "node:stream";
import type { IClientOptions } from "mqtt";

type Store = NonNullable<IClientOptions["outgoingStore"]>;
type PacketIds = NonNullable<IClientOptions["messageIdProvider"]>;

/** An event that was published and is not yet known to be taken. */
interface Exchange {
  /** Absent for what is no event. */
  readonly eventId: string | undefined;
  /** QoS 2: the broker has it; nothing more is sent but PUBREL. */
  released: boolean;
  /** That PUBREL was sent again on a later connection, where no delivery waits for its answer. */
  resumed: boolean;
}

const LAST_PACKET_ID = 0xffff;

/**
 * What of exchanges with the broker outlives a connection: which event went out under which packet identifier, and how
 * far it came. It is mqtt.js's store and source of identifiers at once, so that mqtt.js
 *
 * - re-sends nothing by itself but the PUBRELs of a session that the broker has kept: its own store would send all
 *   events again as soon as it is connected, asked or not, without the DUP flag, and also to a broker that has lost the
 *   session;
 * - publishes an event that comes again under its old identifier, by which the broker knows it (QoS 2).
 */
export class Session {
  readonly #exchanges = new Map<number, Exchange>();
  readonly #idOfEvent = new Map<string, number>();
  /** Whose last answer came after the delivery that had sent them was over. */
  readonly #completed = new Set<string>();
  /** Identifiers of packets that are under way on this connection. */
  readonly #inUse = new Set<number>();
  #lastId = 0;
  /** What the next packet that mqtt.js makes is for. */
  #next: { readonly eventId: string | undefined; readonly packetId: number | undefined } | undefined;

  /** Lets `publish` send a packet for this event; tells whether the broker may have seen it before. */
  publishing(eventId: string | undefined, publish: (isRepeat: boolean) => void): void {
    const packetId = eventId === undefined ? undefined : this.#idOfEvent.get(eventId);
    this.#next = { eventId, packetId };
    try {
      publish(packetId !== undefined);
    } finally {
      this.#next = undefined;
    }
  }

  /** To be told that the broker has taken it, when no delivery waits for that any more. */
  complete(eventId: string): void {
    this.#completed.add(eventId);
  }

  /** How many identifiers the broker may still know from earlier connections: of its receive maximum, they take their share. */
  get unfinished(): number {
    let count = 0;
    for (const packetId of this.#exchanges.keys()) if (!this.#inUse.has(packetId)) count++;
    return count;
  }

  /** Whether the broker has taken this event already; asked once. */
  takeCompleted(eventId: string): boolean {
    return this.#completed.delete(eventId);
  }

  /** The broker keeps nothing of what was before. */
  forget(): void {
    this.#exchanges.clear();
    this.#idOfEvent.clear();
  }

  readonly store: Store = {
    put: (packet, done) => {
      const packetId = packet.messageId ?? 0;
      if (packet.cmd === "publish") {
        const eventId = this.#next?.eventId;
        this.#exchanges.set(packetId, { eventId, released: false, resumed: false });
        if (eventId !== undefined) this.#idOfEvent.set(eventId, packetId);
      } else {
        const exchange = this.#exchanges.get(packetId);
        if (exchange) exchange.released = true;
      }
      done();
      return this.store;
    },
    createStream: () => {
      const released = [...this.#exchanges].filter(([, exchange]) => exchange.released);
      for (const [, exchange] of released) exchange.resumed = true;
      const packets = released.map(([messageId]) => ({ cmd: "pubrel", qos: 1, messageId }));
      const stream = new Readable({ objectMode: true, read: () => stream.push(packets.shift() ?? null) });
      return stream as unknown as ReturnType<Store["createStream"]>;
    },
    del: ({ messageId = 0 }, done) => {
      const exchange = this.#exchanges.get(messageId);
      this.#exchanges.delete(messageId);
      if (exchange?.eventId !== undefined) {
        this.#idOfEvent.delete(exchange.eventId);
        if (exchange.resumed) this.complete(exchange.eventId);
      }
      done();
      return this.store;
    },
    get: (_packet, done) => {
      done(new Error("Cannot look up a packet: events are not kept"));
      return this.store;
    },
    close: (done) => done(),
  };

  readonly packetIds: PacketIds = {
    allocate: () => {
      const packetId = this.#next?.packetId ?? this.#freeId();
      if (packetId !== null) this.packetIds.register(packetId);
      return packetId;
    },
    getLastAllocated: () => this.#lastId,
    register: (packetId) => {
      if (this.#inUse.has(packetId)) return false;
      this.#inUse.add(packetId);
      this.#lastId = packetId;
      return true;
    },
    deallocate: (packetId) => this.#inUse.delete(packetId),
    clear: () => this.#inUse.clear(),
  };

  #freeId(): number | null {
    let packetId = this.#lastId;
    for (let tries = 0; tries < LAST_PACKET_ID; tries++) {
      packetId = packetId % LAST_PACKET_ID + 1;
      if (!this.#inUse.has(packetId) && !this.#exchanges.has(packetId)) return packetId;
    }
    return null;
  }
}
