import { runChaos } from "../chaos/chaos.ts";
import { missingParts } from "../chaos/world.ts";

const seed = Number(Deno.env.get("SEED") ?? 20_261_126);

for (const storeOnDisk of [false, true]) {
  const store = storeOnDisk ? "a file on a disk that gets full" : "PostgreSQL";
  Deno.test(`whatever goes wrong at random, what was committed arrives at every sink, with the store in ${store}`, async () => {
    await runChaos({ seed, forMs: 20_000, storeOnDisk, say });
  });
}

for (const part of await missingParts()) {
  Deno.test({ name: `chaos has ${part}`, ignore: true, fn() {} });
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`    ${line}\n`));
}
