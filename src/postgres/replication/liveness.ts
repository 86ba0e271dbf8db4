/** Milliseconds that decide when a silent server counts as gone. */
export interface LivenessTimings {
  /** Between status updates, each of which asks for a reply. */
  readonly statusInterval: number;
  /** So long a silence is not healthy any more. */
  readonly silentAfter: number;
  /** After so long a silence the connection is given up. */
  readonly lostAfter: number;
}

const LONGEST_STATUS_INTERVAL = 5_000;
const SHORTEST_STATUS_INTERVAL = 100;
/** What a reply may take, on top of waiting for the next status update. */
const REPLY_TIME = 5_000;
const FIRST_PATIENCE = 30_000;
const LONGEST_PATIENCE = 10 * 60_000;

/**
 * The server ends a connection on which it hears nothing for `wal_sender_timeout` (milliseconds; 0: never), so it hears
 * three times as often; and at least every 5 s, because its replies are how a frozen server is noticed.
 *
 * `silencesInARow` counts connections that were given up for silence since the last one that went well. Each doubles
 * the patience: a server that decodes a huge transaction may be silent for long, and after a reconnect it starts again.
 */
export function livenessTimings(walSenderTimeout: number, silencesInARow: number): LivenessTimings {
  const third = walSenderTimeout > 0 ? Math.floor(walSenderTimeout / 3) : LONGEST_STATUS_INTERVAL;
  const statusInterval = Math.max(SHORTEST_STATUS_INTERVAL, Math.min(third, LONGEST_STATUS_INTERVAL));
  return {
    statusInterval,
    silentAfter: statusInterval + REPLY_TIME,
    lostAfter: Math.min(FIRST_PATIENCE * 2 ** silencesInARow, LONGEST_PATIENCE),
  };
}

/**
 * - `alive`: the server was heard recently.
 * - `not reading`: the consumer does not take what is there, so nothing can be heard. Nothing is wrong with the server.
 * - `silent`: it should have been heard.
 * - `lost`: for so long that another connection is worth a try.
 */
export type Liveness = "alive" | "not reading" | "silent" | "lost";

/** What is known of the server, in milliseconds of one clock. */
export interface Hearing {
  readonly heardAt: number;
  /** Since when somebody waits for the server's next message; undefined while nobody does. */
  readonly readingSince: number | undefined;
}

export function judgeLiveness(
  { heardAt, readingSince }: Hearing,
  timings: LivenessTimings,
  now: number,
): Liveness {
  if (readingSince === undefined) return now - heardAt < timings.silentAfter ? "alive" : "not reading";
  const silence = now - Math.max(heardAt, readingSince);
  if (silence >= timings.lostAfter) return "lost";
  return silence >= timings.silentAfter ? "silent" : "alive";
}
