const FIRST = 100;
const LONGEST = 10_000;

/**
 * Milliseconds to wait after the given number of failures in a row (1 and up): doubled each time up to 10 s, of which a
 * random half is left out, so that many routers do not return to a restarted server at the same moment.
 */
export function reconnectDelay(failures: number, random: () => number = Math.random): number {
  const whole = Math.min(FIRST * 2 ** (failures - 1), LONGEST);
  return whole * (1 - random() / 2);
}
