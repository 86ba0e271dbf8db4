/**
 * What it costs to make an event of an update: from the two texts of a row to a finished event.
 *
 *     deno bench bench/events.ts
 */
import { EventFactory } from "../src/event/event_factory.ts";
import { Metrics } from "../src/observe/metrics.ts";
import type { Relation, Replicated } from "../src/postgres/row_change.ts";
import type { TwinItem } from "../src/twin/twin_change.ts";
import { TwinChanges } from "../src/twin/twin_changes.ts";
import { BuiltTuple } from "../tests/support/pgoutput_builder.ts";

/** Updates of a transaction. */
const ROWS = 1000;

const relation: Relation = {
  oid: 1,
  namespace: "digitaltwins",
  name: "Twin",
  replicaIdentity: "full",
  columns: ["id", "properties"].map((name) => ({ name, partOfKey: true, typeOid: 1, typeModifier: -1 })),
  typeNames: ["ag_catalog.graphid", "ag_catalog.agtype"],
};

/** A twin of about 380 bytes, as AgeDigitalTwins writes it; one property, its time and the etag differ by `tick`. */
function twin(row: number, tick: number): string {
  const time = `2026-01-01T12:00:${String(tick).padStart(2, "0")}.0000000Z`;
  const text =
    `{"$dtId": "room-${String(row).padStart(6, "0")}", "$etag": "W/\\"3f1c2d3e-${tick}-4bbb-8ccc\\"", ` +
    `"Humidity": 45, "$metadata": {"$model": "dtmi:example:Room;1", ` +
    `"Humidity": {"lastUpdateTime": "2026-01-01T12:00:00.0000000Z"}, "Temperature": {"lastUpdateTime": "${time}"}, ` +
    `"$lastUpdateTime": "${time}"}, "occupied": true, "Temperature": ${20 + tick / 10}}`;
  // Flat, as text is that was decoded from bytes.
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

function transaction(): Replicated[] {
  const updates = Array.from({ length: ROWS }, (_, row): Replicated => {
    const id = String(844424930131969 + row);
    return {
      kind: "update",
      relation,
      ordinal: row,
      old: new BuiltTuple([id, twin(row, 11)]),
      new: new BuiltTuple([id, twin(row, 12)]),
    };
  });
  return [
    { kind: "begin", transaction: { xid: 1, commitLsn: 0x1F19EF0n, commitTime: 820_584_000_123_456n } },
    ...updates,
    { kind: "settle", lsn: 0x1F19F20n, endsTransaction: true },
  ];
}

const items = transaction();
const changes = new TwinChanges({ metrics: new Metrics() });
const factory = new EventFactory({
  source: "https://your-adt-instance/",
  systemIdentifier: "7412345678901234567",
  database: "twins",
  severalGraphs: false,
});

/** How many events; also the proof that every row makes one. */
function run(): number {
  const out: TwinItem[] = [];
  let events = 0;
  for (const item of items) {
    changes.push(item, out);
    for (const change of out) {
      if (change.kind !== "settle" && change.kind !== "snapshot") {
        events += factory.eventsOf(change, "EventNotification").length;
      }
    }
    out.length = 0;
  }
  if (events !== ROWS) throw new Error(`Cannot compare: ${events} events of ${ROWS} rows`);
  return events;
}

Deno.bench(`${ROWS} updates of ${twin(1, 1).length} bytes`, () => void run());
