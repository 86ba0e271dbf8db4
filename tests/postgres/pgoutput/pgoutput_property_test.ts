import assert from "node:assert/strict";
import fc from "fast-check";
import { PgoutputDecoder, type SkippedRow } from "../../../src/postgres/pgoutput/pgoutput_decoder.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import { ReplicationDecoder } from "../../../src/postgres/pgoutput/replication_decoder.ts";
import type { Replicated } from "../../../src/postgres/row_change.ts";
import type { Tuple, WalMessage } from "../../../src/postgres/wal_message.ts";
import { captureNames, readCapture } from "../../support/captures.ts";
import {
  type BuiltMessage,
  builtOf,
  type ColumnValue,
  encodeWalMessage,
} from "../../support/pgoutput_builder.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const seed = 20260101;
const captures = captureNames.map(readCapture);

Deno.test("gives back whatever the builder writes", () => {
  const uint32 = fc.integer({ min: 0, max: 0xffffffff });
  const uint64 = fc.bigInt(0n, 0xffffffffffffffffn);
  const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
  const name = fc.string({ unit: "binary", maxLength: 20 }).filter((text) => !text.includes("\0"));
  const namespace = name.filter((text) => text !== "");
  const column: fc.Arbitrary<ColumnValue> = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constant(null),
    fc.constant(undefined),
    fc.uint8Array(),
  );
  const row = fc.array(column);
  const columns = fc.array(
    fc.record({
      name,
      partOfKey: fc.boolean(),
      typeOid: uint32,
      typeModifier: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    }, { noNullPrototype: true }),
  );
  const relationOid = uint32;
  const change: fc.Arbitrary<BuiltMessage> = fc.oneof(
    fc.record({ kind: fc.constant("insert" as const), relationOid, new: row }),
    fc.record({ kind: fc.constant("update" as const), relationOid, new: row }),
    fc.record({ kind: fc.constant("update" as const), relationOid, old: row, new: row }),
    fc.record({ kind: fc.constant("update" as const), relationOid, key: row, new: row }),
    fc.record({ kind: fc.constant("delete" as const), relationOid, old: row }),
    fc.record({ kind: fc.constant("delete" as const), relationOid, key: row }),
    fc.record({
      kind: fc.constant("relation" as const),
      oid: uint32,
      namespace,
      name,
      replicaIdentity: fc.constantFrom("default" as const, "nothing", "full", "index"),
      columns,
    }),
    fc.record({ kind: fc.constant("type" as const), oid: uint32, namespace, name }),
    fc.record({
      kind: fc.constant("truncate" as const),
      relationOids: fc.array(uint32),
      cascade: fc.boolean(),
      restartIdentity: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant("message" as const),
      transactional: fc.boolean(),
      lsn: uint64,
      prefix: name,
      content: fc.uint8Array(),
    }),
  );
  const begin = fc.record({
    kind: fc.constant("begin" as const),
    finalLsn: uint64,
    commitTime: int64,
    xid: uint32,
  });
  fc.assert(
    fc.property(fc.array(fc.oneof(change, begin)), uint32, fc.array(change), (outside, xid, inside) => {
      const decoder = new PgoutputDecoder();
      const streamed = inside.map((message) => ({ ...message, xid }));
      const all: BuiltMessage[] = [
        ...outside.map((message) => ({ ...message })),
        { kind: "streamStart", xid, firstSegment: true },
        ...streamed,
        { kind: "streamStop" },
      ];
      assert.deepEqual(all.map((message) => decodedAs(decoder, encodeWalMessage(message))), all);
    }),
    { seed: 20260101, numRuns: 300 },
  );
});

Deno.test("mutated messages decode or are a ProtocolError within bounds", () => {
  const random = new SeededRandom(seed);
  let decoded = 0;
  let refused = 0;
  for (let count = 0; count < 250_000; count++) {
    const decoder = new PgoutputDecoder();
    if (random.below(3) === 0) {
      decoder.decode(encodeWalMessage({ kind: "streamStart", xid: 1, firstSegment: true }));
    }
    const payload = mutated(random);
    try {
      touch(decoder.decode(payload));
      decoded += 1;
    } catch (error) {
      expectWithinBounds(error, payload, `seed ${seed}, message ${count}: ${payload.toHex()}`);
      refused += 1;
    }
  }
  // Both happen often, or the mutations are not what they should be.
  assert.equal(decoded > 25_000 && refused > 25_000, true, `${decoded} decoded, ${refused} refused`);
});

Deno.test("mutated streams give well-formed changes up to a ProtocolError within bounds", () => {
  const random = new SeededRandom(seed);
  let whole = 0;
  let refused = 0;
  for (let count = 0; count < 1_500; count++) {
    const payloads = [...random.pick(captures)];
    for (let mutations = 1 + random.below(3); mutations > 0; mutations--) mutateOrder(payloads, random);
    const decoder = new ReplicationDecoder(random.below(2) === 0 ? undefined : ({ oid }) => oid % 2 === 0);
    const out: Replicated[] = [];
    let last: Uint8Array = new Uint8Array(0);
    try {
      for (last of payloads) decoder.decode([last], out);
      whole += 1;
    } catch (error) {
      expectWithinBounds(error, last, `seed ${seed}, stream ${count}`);
      refused += 1;
    }
    expectWellFormed(out);
  }
  assert.equal(whole > 150 && refused > 150, true, `${whole} whole, ${refused} refused`);
});

function decodedAs(decoder: PgoutputDecoder, payload: Uint8Array): BuiltMessage {
  return builtOf(decoder.decode(payload) as WalMessage);
}

function mutated(random: SeededRandom): Uint8Array {
  let payload: Uint8Array = random.pick(random.pick(captures));
  for (let mutations = 1 + random.below(3); mutations > 0; mutations--) payload = mutate(payload, random);
  return payload;
}

function mutate(payload: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(payload.length + 1);
  const changed = payload.slice();
  switch (random.below(8)) {
    case 0:
      if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      return changed;
    case 1:
      if (at < changed.length) changed[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
      return changed;
    case 2:
      return changed.subarray(0, at);
    case 3:
      return joined(payload.subarray(0, at), randomBytes(1 + random.below(8), random), payload.subarray(at));
    case 4:
      return joined(payload.subarray(0, at), payload.subarray(at + random.below(16)));
    case 5: {
      const other = random.pick(random.pick(captures));
      return joined(payload.subarray(0, at), other.subarray(random.below(other.length + 1)));
    }
    case 6:
      if (at + 4 <= changed.length) {
        const lengths = [-1, -(2 ** 31), 2 ** 31 - 1, 0, changed.length, changed.length - at - 4, 0xffff];
        new DataView(changed.buffer).setInt32(at, random.pick(lengths));
      }
      return changed;
    default:
      if (at + 2 <= changed.length) {
        new DataView(changed.buffer).setInt16(at, random.pick([-1, -(2 ** 15), 2 ** 15 - 1, 0, 1, 3]));
      }
      return changed;
  }
}

function mutateOrder(payloads: Uint8Array[], random: SeededRandom): void {
  const at = random.below(payloads.length);
  const other = random.below(payloads.length);
  const [one, two] = [payloads[at], payloads[other]];
  if (!one || !two) return;
  switch (random.below(4)) {
    case 0:
      payloads[at] = mutate(one, random);
      return;
    case 1:
      payloads.splice(at, 1);
      return;
    case 2:
      payloads.splice(at, 0, two);
      return;
    default:
      [payloads[at], payloads[other]] = [two, one];
  }
}

function randomBytes(length: number, random: SeededRandom): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads all that a message promises; nothing of it may throw. */
function touch(message: WalMessage | SkippedRow): void {
  if (message.kind === "insert" || message.kind === "update") touchTuple(message.new);
  if (message.kind === "update" || message.kind === "delete") {
    if (message.old) touchTuple(message.old);
    if (message.key) touchTuple(message.key);
  }
}

function touchTuple(tuple: Tuple): void {
  for (let column = 0; column < tuple.columnCount; column++) {
    const kind = tuple.kind(column);
    const hasValue = kind === "text" || kind === "binary";
    assert.equal(tuple.bytes(column) !== undefined, hasValue);
    assert.equal(tuple.text(column) !== undefined, hasValue);
  }
}

function expectWithinBounds(error: unknown, payload: Uint8Array, what: string): void {
  if (!(error instanceof ProtocolError)) {
    assert.fail(`${what}: ${error instanceof Error ? error.stack : error}`);
  }
  assert.equal(error.offset >= 0 && error.offset <= payload.length, true, `${what}: offset ${error.offset}`);
}

/** Changes stand inside of a transaction, with rising ordinals; messages outside of one are confirmed at once. */
function expectWellFormed(items: readonly Replicated[]): void {
  let inside = false;
  let ordinal = -1;
  for (const [index, item] of items.entries()) {
    switch (item.kind) {
      case "begin":
        assert.equal(inside, false);
        inside = true;
        ordinal = -1;
        break;
      case "settle":
        assert.equal(inside, item.endsTransaction);
        inside = false;
        break;
      default:
        if (!inside) {
          assert.equal(item.kind, "message");
          assert.equal(items[index + 1]?.kind, "settle");
          break;
        }
        assert.equal(item.ordinal > ordinal, true);
        ordinal = item.ordinal;
    }
  }
}
