/**
 * What decoding costs, without a server: `deno bench --allow-read bench/decode.ts`. Each iteration is 100 transactions of
 * 10 updates with the whole old row, so that a time in microseconds for an iteration is one in nanoseconds for a row.
 */
import { PgoutputDecoder } from "../src/postgres/pgoutput/pgoutput_decoder.ts";
import { ReplicationDecoder } from "../src/postgres/pgoutput/replication_decoder.ts";
import type { Replicated } from "../src/postgres/row_change.ts";
import { readCapture } from "../tests/support/captures.ts";
import { type BuiltMessage, encodeWalMessage } from "../tests/support/pgoutput_builder.ts";

const id = "844424930131973";
const properties =
  `{"$dtId": "room-a", "$etag": "W/\\"2f0b5c1e\\"", "Humidity": 45, "$metadata": {"$model": "dtmi:example:Room;1", ` +
  `"Humidity": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, "Temperature": {"sourceTime": ` +
  `"2026-01-01T12:00:04.5000000Z", "lastUpdateTime": "2026-01-01T12:00:05.0000000Z"}, "$lastUpdateTime": ` +
  `"2026-01-01T12:00:05.0000000Z"}, "Temperature": 22.0}`;
const column = { partOfKey: true, typeModifier: -1 };
const relation: BuiltMessage = {
  kind: "relation",
  oid: 17008,
  namespace: "digitaltwins",
  name: "Twin",
  replicaIdentity: "full",
  columns: [{ ...column, name: "id", typeOid: 16420 }, { ...column, name: "properties", typeOid: 16452 }],
};
const begin: BuiltMessage = { kind: "begin", finalLsn: 0x1f19ef0n, commitTime: 0x303e65883b90an, xid: 778 };
const update: BuiltMessage = {
  kind: "update",
  relationOid: 17008,
  old: [id, properties],
  new: [id, properties],
};
const commit: BuiltMessage = {
  kind: "commit",
  flags: 0,
  commitLsn: 0x1f19ef0n,
  endLsn: 0x1f19f20n,
  commitTime: 0x303e65883b90an,
};
const transaction = [begin, ...Array.from({ length: 10 }, () => update), commit];
const payloads = asReceived(Array.from({ length: 100 }, () => transaction).flat().map(encodeWalMessage));
const description = [encodeWalMessage(relation)];

const messages = new PgoutputDecoder();
Deno.bench("messages alone", () => {
  for (const payload of payloads) messages.decode(payload);
});

const everything = new ReplicationDecoder();
everything.decode(description);
Deno.bench("committed changes", { baseline: true }, () => {
  everything.decode(payloads);
});

Deno.bench("committed changes, their id and new properties as text", () => {
  for (const item of everything.decode(payloads)) readNew(item);
});

const nothing = new ReplicationDecoder(() => false);
nothing.decode(description);
Deno.bench("committed changes of a table that is not interesting", () => {
  nothing.decode(payloads);
});

const recorded = asReceived(readCapture("streamed"));
Deno.bench("the recording of streamed transactions (1,212 rows, 801 of them committed)", () => {
  new ReplicationDecoder().decode(recorded);
});

function readNew(item: Replicated): void {
  if (item.kind !== "update") return;
  item.new.text(0);
  item.new.text(1);
}

/** Views of one large buffer, as the payloads of a read from a socket are. */
function asReceived(parts: readonly Uint8Array[]): Uint8Array[] {
  const chunk = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  return parts.map((part) => {
    chunk.set(part, end);
    return chunk.subarray(end, end += part.length);
  });
}
