import Connection from "kafkajs/src/network/connection.js";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import v3 from "kafkajs/src/protocol/requests/produce/v3/response.js";
import v4 from "kafkajs/src/protocol/requests/produce/v4/response.js";
import v5 from "kafkajs/src/protocol/requests/produce/v5/response.js";
import v6 from "kafkajs/src/protocol/requests/produce/v6/response.js";
import v7 from "kafkajs/src/protocol/requests/produce/v7/response.js";
import { ResponseFrames } from "./response_frames.ts";

/**
 * Five faults of kafkajs 2.2.4 that nothing but its own modules can be cured of. The version is pinned, and tests show
 * them to be gone.
 */
export function patchKafkajs(): void {
  if (isPatched) return;
  isPatched = true;

  // Once a connection has been used, its queue looks every millisecond whether a request waits, for ever.
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: Queue) {
    if (this.pending.length === 0 || this.throttleCheckTimeoutId) return;
    this.throttleCheckTimeoutId = setTimeout(() => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    }, Math.max(LOOK_MS, this.throttledUntil - performance.now()));
  };

  // It measures by the wall clock: when that is set back by a day, a request without an answer lasts for a day, and a
  // broker that asked for a moment's rest is left alone for one.
  RequestQueue.prototype.maybeThrottle = function (this: Queue, ms: number | null) {
    if (ms) this.throttledUntil = Math.max(this.throttledUntil, performance.now() + ms);
  };
  RequestQueue.prototype.canSendSocketRequestImmediately = function (this: Queue) {
    const isFull = this.maxInFlightRequests != null && this.inflight.size >= this.maxInFlightRequests;
    return !isFull && this.throttledUntil <= performance.now();
  };
  RequestQueue.prototype.scheduleRequestTimeoutCheck = function (this: Queue) {
    if (!this.enforceRequestTimeout) return;
    this.destroy();
    const seenAt = new WeakMap<Request, number>();
    this.requestTimeoutIntervalId = setInterval(() => {
      const now = performance.now();
      for (const request of [...this.inflight.values()]) {
        const since = seenAt.get(request);
        if (since === undefined) seenAt.set(request, now);
        else if (now - since > request.requestTimeout) request.timeoutRequest();
      }
      if (!this.isConnected()) this.destroy();
    }, Math.min(this.requestTimeout, 100));
  };

  // It believes whatever length a broker gives its response; and what has come of one when its connection breaks off, it
  // takes for the beginning of the first on the next connection.
  const process = Connection.prototype.processData;
  Connection.prototype.processData = function (this: BrokerConnection, data: Uint8Array) {
    let frames = framesOf.get(this.socket);
    if (!frames) {
      framesOf.set(this.socket, frames = new ResponseFrames());
      Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: LENGTH });
    }
    try {
      // While it logs in, what is read may be no more than a length.
      frames.push(data, this.authHandlers ? 0 : CORRELATION_ID);
    } catch (error) {
      this.socket.destroy(error);
      return;
    }
    process.call(this, data);
  };

  // A refusal by one partition is thrown as if it were the whole request's, and hides what the others have written. As
  // it is now, `send` gives every partition's own `errorCode`.
  for (const response of [v3, v4, v5, v6, v7]) response.parse = (data: unknown) => Promise.resolve(data);
}

let isPatched = false;

/** How soon a request that has to wait is looked at again. */
const LOOK_MS = 10;

/** What is used here of kafkajs' queue of a connection. */
interface Queue {
  readonly pending: readonly unknown[];
  readonly inflight: ReadonlyMap<number, Request>;
  readonly maxInFlightRequests: number | null;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: boolean;
  /** By `performance.now()`. */
  throttledUntil: number;
  throttleCheckTimeoutId: ReturnType<typeof setTimeout> | null;
  requestTimeoutIntervalId: ReturnType<typeof setInterval>;
  readonly isConnected: () => boolean;
  checkPendingRequests(): void;
  destroy(): void;
}

interface Request {
  readonly requestTimeout: number;
  timeoutRequest(): void;
}

interface BrokerConnection {
  readonly socket: { destroy(error: unknown): void };
  readonly authHandlers: unknown;
}

/** Bytes of a response's length, and of the number with which every response begins. */
const LENGTH = 4;
const CORRELATION_ID = 4;

/** Of each socket that has been read from. */
const framesOf = new WeakMap<BrokerConnection["socket"], ResponseFrames>();
