/** Time as delivery and sinks see it, so that tests can bring their own. */
export interface Clock {
  /** Milliseconds since 1970, as the machine believes: somebody may set it forwards or back. */
  now(): number;
  /** Milliseconds since some moment, which nobody sets: for how long something takes or may take. */
  steady(): number;
  /** Calls back once after `ms` milliseconds, unless the function that it returns is called before. */
  after(ms: number, callback: () => void): () => void;
}

const LONGEST_TIMEOUT = 2 ** 31 - 1;

/** The machine's own clock and timers. */
export const systemClock: Clock = {
  now: Date.now,
  steady: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, LONGEST_TIMEOUT));
    return () => clearTimeout(timer);
  },
};
