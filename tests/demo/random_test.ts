import assert from "node:assert/strict";
import { Random } from "../../demo/random.ts";

Deno.test("repeats itself by its seed, and spreads over what it is asked for", () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 1000 }, () => random.next());
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  const tenths = new Set(draw(7).map((value) => Math.floor(value * 10)));
  assert.deepEqual([...tenths].sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

  const random = new Random(7);
  const drawn = new Set(Array.from({ length: 100 }, () => random.choice(["a", "b", "c"])));
  assert.deepEqual([...drawn].sort(), ["a", "b", "c"]);
  assert.throws(() => random.choice([]), RangeError);
});
