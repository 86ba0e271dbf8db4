import type { Clock } from "../sink/clock.ts";

/** Waits for `work`, but no longer than `ms` milliseconds; a later rejection goes unheard. */
export async function isInTime(work: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const cancel = clock.after(ms, () => resolve(false));
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    cancel();
  }
}
