import type { Latencies } from "./far_end.ts";
import type { Account } from "./order_ledger.ts";
import type { Costs } from "./router_watch.ts";

/** What a phase has come to. */
export interface Phase {
  readonly name: string;
  readonly changesPerSecond: number;
  readonly costs: Costs;
  /** By sink, of those that are well. */
  readonly latencies: ReadonlyMap<string, Latencies>;
}

/** What a sink has got in the end. */
export interface Delivered extends Account {
  readonly sink: string;
  readonly lost: number;
}

/** One part of the claim, and whether it holds. */
export interface Finding {
  readonly claim: string;
  readonly holds: boolean;
  readonly why: string;
}

/** How much may be laid to the noise between two minutes. */
const NOISE = { latency: 1.5, resident: 1.1, rate: 0.99 };
const MOST_LAG = 64 * 2 ** 20;

/** Holds what was seen against the claim; `phases` are before, down, return and after. */
export function judge(
  phases: readonly Phase[],
  delivered: readonly Delivered[],
  rate: number,
  isDrained: boolean,
): readonly Finding[] {
  const [before, down] = phases;
  const after = phases.at(-1);
  if (!before || !down || !after) throw new Error("Cannot judge: there are no phases");
  const slowest = Math.min(...phases.map(({ changesPerSecond }) => changesPerSecond));
  const lag = Math.max(...phases.map(({ costs }) => costs.maxLag));
  const [early, late] = thirds(down.costs.resident);
  return [
    {
      claim: `${rate} changes a second`,
      holds: slowest >= rate * NOISE.rate,
      why: `${Math.round(slowest)} a second in the slowest phase`,
    },
    ...[...down.latencies].map(([sink, { p99 }]) => {
      const p99Of = ({ latencies }: Phase) => latencies.get(sink)?.p99 ?? NaN;
      // What is bad after as well is no measure.
      const healthy = (p99Of(before) + Math.min(p99Of(after), p99Of(before) * NOISE.latency)) / 2;
      const ratio = p99 / healthy;
      return {
        claim: `p99 of ${sink} is unaffected`,
        holds: ratio <= NOISE.latency,
        why: `${ratio.toFixed(2)} times that of before and after, ${p99.toFixed(1)} to ${
          healthy.toFixed(1)
        } ms`,
      };
    }),
    { claim: "the slot's lag stays under 64 MB", holds: lag < MOST_LAG, why: `${megabytes(lag)} MB at most` },
    {
      claim: "memory is flat while it is down",
      holds: late <= early * NOISE.resident,
      why: `${megabytes(early)} MB in the second third, ${megabytes(late)} MB in the last`,
    },
    {
      claim: "all is drained while more comes",
      holds: isDrained,
      why: isDrained ? "nothing is parked any more" : "there is still something parked",
    },
    ...delivered.map(({ sink, lost, outOfOrder, repeats, arrived }) => ({
      claim: `${sink} has everything, in order`,
      holds: lost === 0 && outOfOrder === 0,
      why: `${arrived} changes, ${lost} lost, ${outOfOrder} out of order, ${repeats} came again`,
    })),
  ];
}

export function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

/** The means of the second and the last third; what comes first fills queues and compiles code. */
function thirds(values: readonly number[]): [number, number] {
  const third = Math.max(1, Math.floor(values.length / 3));
  const mean = (some: readonly number[]) => some.reduce((sum, value) => sum + value, 0) / some.length;
  return [mean(values.slice(-2 * third, -third)), mean(values.slice(-third))];
}
