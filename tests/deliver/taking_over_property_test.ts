import assert from "node:assert/strict";
import fc from "fast-check";
import { SqliteStore } from "../../src/deliver/store/sqlite_store.ts";
import { PlainSink, PositionedFarEnd, PositionedSink } from "../support/positioned_sink.ts";
import { retryable, take, throwing } from "../support/scripted_sink.ts";
import { become, IDS, started, tell, TOLD } from "../support/taken_over.ts";

type Kind = "plain" | "exact";

/** What happens to a router, and how it ends. */
interface Life {
  readonly begins: Kind;
  readonly steps: readonly (Kind | "tell" | "away" | "back" | "failure" | "wait")[];
  readonly isKilled: boolean;
  /** Transactions that the slot is behind, since another sink holds it. */
  readonly lag: number;
}

const life: fc.Arbitrary<Life> = fc.record({
  begins: fc.constantFrom("plain", "exact"),
  steps: fc.array(
    fc.constantFrom("tell", "tell", "tell", "plain", "exact", "away", "back", "failure", "wait"),
    { maxLength: 14 },
  ),
  isKilled: fc.boolean(),
  lag: fc.nat({ max: 1 }),
});

const LAST: Life = {
  begins: "exact",
  steps: [...TOLD.map(() => "tell" as const), ...TOLD.map(() => "wait" as const)],
  isKilled: false,
  lag: 0,
};

Deno.test("whenever a sink begins or ceases to keep its position, nothing is lost or overtaken", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), async (lives) => {
      await using store = new SqliteStore(":memory:", "one");
      const farEnd = new PositionedFarEnd();
      let from = 0;
      for (const each of [...lives, LAST]) from = await live(each, store, farEnd, from);
      const firsts = [...new Set(farEnd.ids)];
      assert.deepEqual(firsts.toSorted(), IDS.toSorted());
      for (const key of "abc") {
        const ofKey = (ids: readonly string[]) => ids.filter((id) => id.startsWith(key));
        assert.deepEqual(ofKey(firsts), ofKey(IDS));
      }
      const kinds = lives.flatMap(({ begins, steps }) => [begins, ...steps]).join(" ");
      if (/exact.*plain/.test(kinds) || lives.some(({ isKilled }) => isKilled)) return;
      assert.equal(farEnd.ids.length, IDS.length, "no repeat");
    }),
    { numRuns: 150 },
  );
});

/** @param from the first event that the stream tells; what this resolves to is that of the next life */
async function live(
  { begins, steps, isKilled, lag }: Life,
  { outbox, checkpoints }: SqliteStore,
  farEnd: PositionedFarEnd,
  from: number,
): Promise<number> {
  const made = (kind: Kind) => kind === "exact" ? new PositionedSink(farEnd) : new PlainSink(farEnd);
  const power = { isOn: true };
  const store = { outbox: mortal(outbox, power), checkpoints: mortal(checkpoints, power) };
  let sink = made(begins);
  const delivery = await started(store, sink);
  let told = from;
  for (const [index, step] of steps.entries()) {
    switch (step) {
      case "tell":
        if (told < TOLD.length) await tell(delivery, told, ++told);
        break;
      case "plain":
      case "exact": {
        const { otherwise } = sink;
        sink = made(step);
        sink.otherwise = otherwise;
        await become(delivery, sink, `${step} ${index}`);
        break;
      }
      case "away":
        sink.otherwise = throwing(retryable());
        break;
      case "back":
        sink.otherwise = take;
        break;
      case "failure":
        sink.deliveries.push(throwing(retryable()));
        break;
      case "wait":
        await delivery.clock.advance(31_000);
        break;
      default:
        step satisfies never;
    }
  }
  const { confirmable } = delivery.dispatcher;
  if (isKilled) {
    power.isOn = false;
    sink.otherwise = throwing(retryable());
  }
  await delivery[Symbol.asyncDispose]();
  const slot = (isKilled ? confirmable : delivery.dispatcher.confirmable) ?? 0n;
  const isBehind = (lsn: number) => BigInt(lsn) + BigInt(lag) * 10n >= slot;
  const next = TOLD.findIndex(([lsn]) => isBehind(lsn));
  return next < 0 ? TOLD.length : Math.max(from, next);
}

/** Of a store that is out of reach once the power is off. */
function mortal<Part extends object>(part: Part, power: { readonly isOn: boolean }): Part {
  return new Proxy(part, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return (...given: unknown[]) =>
        power.isOn ? method.apply(target, given) : Promise.reject(new Error("the power is off"));
    },
  });
}
