/** Of what happens again and again, the 1st, 10th, 100th … time: enough to see that it does, and how often. */
export function isWorthTelling(times: number): boolean {
  return /^10*$/.test(`${times}`);
}
