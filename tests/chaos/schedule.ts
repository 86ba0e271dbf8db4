import { SeededRandom } from "../support/seeded_random.ts";

/** Takes a fault back. */
export type Undo = () => void | Promise<void>;

/** What can go wrong. */
export interface Fault {
  readonly name: string;
  /** Its lane begins with it, whatever the seed. */
  readonly isFirst?: boolean;
  /** Resolves once it is there. */
  inflict(): Promise<Undo> | Undo;
}

/** Faults of which one is there at a time, by the name of what they happen to. */
export type Lanes = Readonly<Record<string, readonly Fault[]>>;

/** A fault comes so long after the one before in its lane is gone, and stays. */
export interface Step {
  readonly fault: Fault;
  readonly afterMs: number;
  readonly forMs: number;
}

const LONGEST_PEACE = 6_000;
const LONGEST_FAULT = 5_000;

/** What happens in each lane, as a seed has it; lanes go on side by side. */
export function drawSchedule(
  seed: number,
  lanes: Lanes,
  totalMs: number,
): ReadonlyMap<string, readonly Step[]> {
  const schedule = new Map<string, readonly Step[]>();
  for (const [index, [lane, faults]] of Object.entries(lanes).entries()) {
    const random = new SeededRandom(seed * 31 + index);
    const steps: Step[] = [];
    const firsts = faults.filter(({ isFirst }) => isFirst);
    for (let at = 0; at < totalMs;) {
      const afterMs = 200 + random.below(LONGEST_PEACE);
      // Most are short, so that recoveries meet each other.
      const forMs = random.below(3) === 0 ? random.below(LONGEST_FAULT) : random.below(LONGEST_FAULT / 4);
      steps.push({ fault: firsts.shift() ?? random.pick(faults), afterMs, forMs });
      at += afterMs + forMs;
    }
    schedule.set(lane, steps);
  }
  return schedule;
}

/** Lets it happen until `signal` aborts; then every fault is taken back. `onStep` hears of each. */
export async function followSchedule(
  steps: readonly Step[],
  onStep: (name: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const { fault, afterMs, forMs } of steps) {
    await pause(afterMs, signal);
    if (signal.aborted) return;
    onStep(fault.name);
    const undo = await fault.inflict();
    await pause(forMs, signal);
    await undo();
    onStep(`${fault.name}: over`);
  }
}

/** Resolves early when `signal` aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
