import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { CompressionCodecs, CompressionTypes } from "kafkajs";
import { COMPRESSIONS } from "../../../sinks/kafka/compression.ts";
import { lz4 } from "../../../sinks/kafka/lz4.ts";
import { snappy } from "../../../sinks/kafka/snappy.ts";
import { zstd } from "../../../sinks/kafka/zstd.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const SEED = Number(Deno.env.get("SEED") ?? 20_261_126);
const CODECS = { snappy, lz4, zstd };

/** Noise of so many different bytes, with repeats from near and far in between; without repeats if there are none. */
function bytesOf(random: SeededRandom, length: number, different: number, repeats: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length;) {
    if (index === 0 || random.below(100) >= repeats) {
      bytes[index++] = random.below(different);
      continue;
    }
    const distance = 1 + random.below(index);
    for (let left = random.below(300); left > 0 && index < length; left--, index++) {
      bytes[index] = bytes[index - distance] ?? 0;
    }
  }
  return bytes;
}

/** Of every length around the ends of blocks. */
const LENGTHS = [0, 1, 2, 3, 4, 12, 13, 100, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 200_000];

for (const [name, codec] of Object.entries(CODECS)) {
  Deno.test(`${name} gives back what it has compressed, seed ${SEED}`, async () => {
    const random = new SeededRandom(SEED);
    for (const length of [...LENGTHS, ...Array.from({ length: 40 }, () => random.below(100_000))]) {
      const [different, repeats] = [1 + random.below(256), random.below(60)];
      const bytes = bytesOf(random, length, different, repeats);
      const read = await codec.decompress(await codec.compress(bytes));
      assert(read.equals(bytes), `${length} bytes, ${different} different, ${repeats} % repeats`);
    }
  });

  Deno.test(`${name} makes little of what repeats, and hardly more of what is random, seed ${SEED}`, async () => {
    const noise = bytesOf(new SeededRandom(SEED), 1_000_000, 256, 0);
    assert((await codec.compress(noise)).length < 1_001_000);
    const text = Buffer.from('{"op":"replace","path":"/temperature","value":21.5}'.repeat(20_000));
    assert((await codec.compress(text)).length < text.length / 15);
  });
}

for (const [name, codec] of Object.entries({ snappy, lz4 })) {
  Deno.test(`${name} lets other work have its turn, seed ${SEED}`, async () => {
    const noise = bytesOf(new SeededRandom(SEED), 8_000_000, 256, 0);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await codec.compress(noise);
    clearInterval(timer);
    assert(turns >= 4, `${turns} turns`);
  });
}

Deno.test("Snappy is written in the stream format of snappy-java, a block for each 32 KiB", async () => {
  const stream = await snappy.compress(Buffer.alloc(100_000));
  assert.equal(stream.subarray(0, 16).toString("hex"), "82534e41505059000000000100000001");
  let blocks = 0;
  for (let offset = 16; offset < stream.length; blocks++) offset += 4 + stream.readUInt32BE(offset);
  assert.equal(blocks, 4);
  assert.equal(
    (await snappy.compress(Buffer.from("foobar\n"))).subarray(16).toString("hex"),
    "000000090718666f6f6261720a", // as snappy-java writes it
  );
});

Deno.test("Snappy is read without a stream around it, as some clients write it", async () => {
  assert.equal(String(await snappy.decompress(Buffer.from("0718666f6f6261720a", "hex"))), "foobar\n");
});

Deno.test("LZ4 is written as frames of independent blocks of 64 KiB", async () => {
  const frame = await lz4.compress(Buffer.alloc(150_000));
  assert.equal(frame.subarray(0, 7).toString("hex"), "04224d18604082");
  let [blocks, offset] = [0, 7];
  for (; frame.readUInt32LE(offset) !== 0; blocks++) offset += 4 + frame.readUInt32LE(offset);
  assert.equal(blocks, 3);
  assert.equal(offset + 4, frame.length);
});

Deno.test("an LZ4 block that would grow is stored as it is", async () => {
  const noise = bytesOf(new SeededRandom(SEED), 1_000, 256, 0);
  const frame = await lz4.compress(noise);
  assert.equal(frame.readUInt32LE(7), 0x8000_0000 + noise.length);
  assert(frame.subarray(11, -4).equals(noise));
});

Deno.test("LZ4 is read from frames with sizes, checksums and larger blocks", async () => {
  const text = Buffer.alloc(60_000, "twin");
  const plain = await lz4.compress(text);
  // One block of at most 4 MiB, with its own checksum, the content's and the content's size.
  const frame = Buffer.concat([
    Buffer.from("04224d187c70", "hex"),
    Buffer.from("60ea000000000000", "hex"),
    Buffer.from([0]),
    plain.subarray(7, -4),
    Buffer.from("01020304", "hex"),
    Buffer.alloc(4),
    Buffer.from("05060708", "hex"),
  ]);
  assert((await lz4.decompress(frame)).equals(text));
});

/** What cannot be read, in hexadecimal. */
const REFUSED = [
  [
    snappy,
    "82534e415050590000000001000000010000000a0718666f6f6261720a",
    /Cannot read Snappy: a block is cut off/,
  ],
  [snappy, "ffffffff0f00", /Cannot read Snappy: 6 bytes are said to be 4294967295/],
  [snappy, "ffffffffffff", /Cannot read Snappy: a block has no length/],
  [snappy, "0718666f", /missing eof marker|premature end of input/],
  [lz4, "1f8b080000000000", /Cannot read LZ4: it is no frame/],
  [lz4, "04224d18a04082", /Cannot read LZ4: a frame of another version/],
  [lz4, "04224d18404082", /Cannot read LZ4: blocks depend on each other/],
  [lz4, "04224d18614082", /Cannot read LZ4: it needs a dictionary/],
  [lz4, "04224d1860408205000000ff", /Cannot read LZ4: a block is cut off/],
  [lz4, "04224d1860408204000000ffffffff00000000", /Cannot read LZ4: a block is malformed/],
] as const;

for (const [codec, hex, message] of REFUSED) {
  const name = codec === lz4 ? "LZ4" : "Snappy";
  Deno.test(`${name} refuses ${hex}`, async () => {
    await assert.rejects(codec.decompress(Buffer.from(hex, "hex")), message);
  });
}

Deno.test("LZ4 that is cut off anywhere is refused", async () => {
  const frame = await lz4.compress(bytesOf(new SeededRandom(SEED), 500, 20, 30));
  for (let length = 0; length < frame.length; length++) {
    await assert.rejects(lz4.decompress(frame.subarray(0, length)), `${length} bytes`);
  }
});

Deno.test("kafkajs has a codec for every compression of Kafka's", async () => {
  const bytes = Buffer.from("some records");
  const { none, ...others } = COMPRESSIONS;
  assert.equal(none, CompressionTypes.None);
  for (const [name, type] of Object.entries(others)) {
    const codec = CompressionCodecs[type]();
    assert((await codec.decompress(await codec.compress({ buffer: bytes }))).equals(bytes), name);
  }
});
