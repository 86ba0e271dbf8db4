/**
 * Random changes and random faults: what was committed must arrive, whatever happens meanwhile. The seed repeats the
 * schedule. With an odd one the router's store is a file on a disk that gets full, else it is in PostgreSQL, and there are
 * two routers.
 *
 *     deno task chaos --minutes 5 --seed 1
 */
import { parseArgs } from "node:util";
import { runChaos } from "./chaos.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { minutes: { type: "string", default: "5" }, seed: { type: "string" } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
const forMs = Number(values.minutes) * 60_000;
if (!Number.isSafeInteger(seed) || !(forMs > 0)) {
  throw new Error("Cannot begin: --minutes and --seed take a number each");
}
const say = (line: string) => void Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
await runChaos({ seed, forMs, storeOnDisk: seed % 2 === 1, say });
