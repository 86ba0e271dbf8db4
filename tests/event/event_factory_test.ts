import assert from "node:assert/strict";
import type { EventFormat, RouterEvent } from "../../src/event/cloud_event.ts";
import { EventFactory, type EventFactoryOptions } from "../../src/event/event_factory.ts";
import { readEventId } from "../../src/event/event_id.ts";
import { defaultEventSource } from "../../src/event/event_source.ts";
import { madeEvents } from "../support/made_events.ts";
import {
  contains,
  deleted,
  inserted,
  message,
  Model,
  type Step,
  table,
  transaction,
  truncated,
  Twin,
  updated,
  vertexColumns,
} from "../support/replicated_builder.ts";
import { twinOutcome } from "../support/twin_items.ts";

const options: EventFactoryOptions = {
  source: "https://your-adt-instance/",
  systemIdentifier: "7412345678901234567",
  database: "twins",
  severalGraphs: false,
};

async function events(steps: readonly Step[], changed: Partial<EventFactoryOptions> = {}, commit = {}) {
  const { items } = await twinOutcome(transaction(steps, commit));
  return madeEvents(new EventFactory({ ...options, ...changed }), items);
}

const room = { $dtId: "room", T: 22.5, $metadata: { $model: "dtmi:example:Room;1" } };

Deno.test("an event has the attributes of its change", async () => {
  const [created] = await events([inserted(Twin, 1, room)], {}, { commitLsn: 0x16_B374D848n });
  assert.deepEqual(created, {
    event: {
      id: "000016b3-74d8-8487-a904-000000000000",
      type: "Konnektr.DigitalTwins.Twin.Create",
      source: "https://your-adt-instance/",
      subject: "room",
      time: "2026-01-01T12:00:00.123456Z",
      datacontenttype: "application/json",
      partitionkey: "room",
      sequence: "00000016b374d848-00000000-0000",
      graph: "digitaltwins",
      data: JSON.stringify(room),
    },
    graph: "digitaltwins",
    format: "EventNotification",
    position: { commitLsn: 0x16_B374D848n, ordinal: 0 },
    committedAt: Date.UTC(2026, 0, 1, 12) + 123.456,
  });
});

Deno.test("each kind of change has its type, subject and partition key", async () => {
  const link = { $relationshipId: "r", $sourceId: "room", $targetId: "x" };
  const model = { id: "dtmi:example:Room;1", model: {} };
  const made = await events([
    inserted(Twin, 1, room),
    inserted(contains, 2, link),
    inserted(Model, 3, model),
    updated(Twin, 4, room, { ...room, T: 1 }),
    updated(contains, 5, link, { ...link, rate: 1 }),
    updated(Model, 6, model, { ...model, decommissioned: true }),
    deleted(Twin, 7, room),
    deleted(contains, 8, link),
    deleted(Model, 9, model),
    truncated(Twin),
  ]);
  assert.deepEqual(
    made.map((
      { event },
    ) => [event.type.replace("Konnektr.DigitalTwins.", ""), event.subject, event.partitionkey]),
    [
      ["Twin.Create", "room", "room"],
      ["Relationship.Create", "room/relationships/r", "room"],
      ["Model.Create", "dtmi:example:Room;1", "dtmi:example:Room;1"],
      ["Twin.Update", "room", "room"],
      ["Relationship.Update", "room/relationships/r", "room"],
      ["Model.Update", "dtmi:example:Room;1", "dtmi:example:Room;1"],
      ["Twin.Delete", "room", "room"],
      ["Relationship.Delete", "room/relationships/r", "room"],
      ["Model.Delete", "dtmi:example:Room;1", "dtmi:example:Room;1"],
      ["Router.Gap", "Twin", "digitaltwins"],
    ],
  );
});

Deno.test("creates and deletes carry the body digit for digit", async () => {
  const body = '{"$dtId": "room", "T": 22.0, "big": 9007199254740993, "dec": 1.10::numeric, "nan": NaN}';
  const [created, removed] = await events([inserted(Twin, 1, body), deleted(Twin, 2, body)]);
  const data = '{"$dtId": "room", "T": 22.0, "big": 9007199254740993, "dec": 1.10, "nan": "NaN"}';
  assert.equal(created?.event.data, data);
  assert.equal(removed?.event.data, data);
});

Deno.test("an update carries the model and the patch", async () => {
  const link = { $relationshipId: "r", $sourceId: "room" };
  const modelled = { ...link, $metadata: { $model: "dtmi:example:Contains;1" } };
  const made = await events([
    updated(Twin, 1, room, '{"$dtId": "room", "T": 22.0, "$metadata": {"$model": "dtmi:example:Room;1"}}'),
    updated(Twin, 2, { $dtId: "plain" }, { $dtId: "plain", a: 1 }),
    updated(contains, 3, link, { ...link, rate: 1 }),
    updated(contains, 4, modelled, { ...modelled, rate: 1 }),
    updated(Model, 5, { id: "dtmi:m;1" }, { id: "dtmi:m;1", a: 1 }),
  ]);
  const patch = (path: string) => `"patch":[{"op":"add","path":"${path}","value":1}]`;
  assert.deepEqual(made.map(({ event }) => event.data), [
    '{"modelId":"dtmi:example:Room;1","patch":[{"op":"replace","path":"/T","value":22.0}]}',
    `{${patch("/a")}}`,
    `{${patch("/rate")}}`,
    `{"modelId":"dtmi:example:Contains;1",${patch("/rate")}}`,
    `{"modelId":"dtmi:m;1",${patch("/a")}}`,
  ]);
});

Deno.test("an update that changes nothing makes no event", async () => {
  const made = await events([
    updated(Twin, 1, { ...room, $etag: "1" }, { ...room, $etag: "2" }),
    updated(Twin, 2, '{"$dtId": "a", "n": 22}', '{"$dtId": "a", "n": 22.0}'),
    updated(Twin, 3, "unsent", { $dtId: "b", $etag: "1", $metadata: {} }),
  ]);
  assert.deepEqual(made, []);
});

Deno.test("includeMetadata keeps in patches all but $etag", async () => {
  const { items } = await twinOutcome(transaction([
    updated(Twin, 1, { ...room, $etag: "1" }, { ...room, $etag: "2", $lastUpdateTime: "now" }),
  ]));
  const [change] = items;
  assert(change?.kind === "change");
  const factory = new EventFactory(options);
  assert.deepEqual(factory.eventsOf(change, "EventNotification"), []);
  const [event] = factory.eventsOf(change, "EventNotification", { includeMetadata: true });
  assert.deepEqual(JSON.parse(event?.event.data ?? "").patch, [{
    op: "add",
    path: "/$lastUpdateTime",
    value: "now",
  }]);
});

Deno.test("a gap says of which graph, from where to where", async () => {
  const [gap] = await events([inserted(Twin, 1, room), truncated(contains, Twin)], {}, {
    commitLsn: 0x16_B374D848n,
  });
  assert.equal(gap?.event.type, "Konnektr.DigitalTwins.Twin.Create");
  const [, ofContains, ofTwin] = await events([inserted(Twin, 1, room), truncated(contains, Twin)], {}, {
    commitLsn: 0x16_B374D848n,
  });
  assert.deepEqual(JSON.parse(ofContains?.event.data ?? ""), {
    reason: "truncate",
    graph: "digitaltwins",
    from: "16/B374D848",
    to: "16/B374D848",
  });
  assert.deepEqual([ofContains?.event.subject, ofTwin?.event.subject], ["contains", "Twin"]);
  assert.deepEqual([ofContains, ofTwin].map((gap) => gap && readEventId(gap.event.id)?.index), [0, 1]);
});

Deno.test("a changed identity gives a delete and a create with ids and sequences of their own", async () => {
  const made = await events([updated(Twin, 1, room, { ...room, $dtId: "hall" })]);
  assert.deepEqual(made.map(({ event }) => [event.type, event.subject, event.sequence?.slice(-4)]), [
    ["Konnektr.DigitalTwins.Twin.Delete", "room", "0000"],
    ["Konnektr.DigitalTwins.Twin.Create", "hall", "0001"],
  ]);
  assert.deepEqual(made.map(({ event }) => readEventId(event.id)?.index), [0, 1]);
});

Deno.test("the same change has the same events, whoever reads it", async () => {
  const steps = [
    inserted(Twin, 1, room),
    updated(contains, 2, "unsent", { $relationshipId: "r", $sourceId: "s", a: 1 }),
  ];
  assert.deepEqual(await events(steps), await events(steps));
  const ids = (made: readonly RouterEvent[]) => made.map(({ event }) => event.id);
  assert.notDeepEqual(ids(await events(steps)), ids(await events(steps, { systemIdentifier: "8" })));
  assert.notDeepEqual(ids(await events(steps)), ids(await events(steps, { database: "other" })));
});

Deno.test("sequences are in commit order, text by text", async () => {
  const commits = [0x9n, 0x10n, 0xFFFF_FFFFn, 0x1_0000_0000n, 0xFFFF_FFFF_FFFF_FFFFn];
  const sequences: string[] = [];
  for (const commitLsn of commits) {
    const steps = Array.from({ length: 20 }, (_, id) => updated(Twin, id, room, { ...room, $dtId: "hall" }));
    sequences.push(...(await events(steps, {}, { commitLsn })).map(({ event }) => event.sequence ?? ""));
  }
  assert.equal(sequences.length, 200);
  assert.deepEqual(sequences.toSorted(), sequences);
  assert.equal(new Set(sequences).size, 200);
});

Deno.test("the time is the commit's, in microseconds", async () => {
  const times: readonly (readonly [bigint, string])[] = [
    [0n, "2000-01-01T00:00:00.000000Z"],
    [1n, "2000-01-01T00:00:00.000001Z"],
    [-1n, "1999-12-31T23:59:59.999999Z"],
    [820_584_000_000_999n, "2026-01-01T12:00:00.000999Z"],
    [820_584_000_999_000n, "2026-01-01T12:00:00.999000Z"],
  ];
  for (const [commitTime, time] of times) {
    const [made] = await events([inserted(Twin, 1, room)], {}, { commitTime });
    assert.equal(made?.event.time, time);
  }
});

Deno.test("transactions that follow one another have each their time and ids", async () => {
  const { items } = await twinOutcome([
    ...transaction([inserted(Twin, 1, room)], { commitLsn: 1n, commitTime: 1n }),
    ...transaction([inserted(Twin, 1, room)], { commitLsn: 2n, commitTime: 2n }),
  ]);
  const made = madeEvents(new EventFactory(options), items);
  assert.deepEqual(made.map(({ event }) => event.time.slice(-4)), ["001Z", "002Z"]);
  assert.deepEqual(made.map(({ event }) => readEventId(event.id)?.commitLsn), [1n, 2n]);
});

Deno.test("several graphs share neither source, if it names them, nor partition key", async () => {
  const one = table("one", "Twin", vertexColumns);
  const two = table("two graphs", "Twin", vertexColumns);
  const made = await events([inserted(one, 1, room), inserted(two, 1, room), truncated(one)], {
    source: "https://x/{graph}/{graph}",
    severalGraphs: true,
  });
  assert.deepEqual(made.map(({ event }) => [event.source, event.partitionkey]), [
    ["https://x/one/one", "one/room"],
    ["https://x/two%20graphs/two%20graphs", "two graphs/room"],
    ["https://x/one/one", "one"],
  ]);
});

Deno.test("the default source names host, database and graph", async () => {
  const [made] = await events([inserted(Twin, 1, room)], {
    source: defaultEventSource("db.example", "my twins"),
  });
  assert.equal(made?.event.source, "postgresql://db.example/my%20twins/digitaltwins");
  assert.equal(defaultEventSource("::1", "d"), "postgresql://[::1]/d/{graph}");
  assert.equal(
    defaultEventSource("/var/run/postgresql", "d"),
    "postgresql://%2Fvar%2Frun%2Fpostgresql/d/{graph}",
  );
});

Deno.test("a traceparent of the transaction is the event's", async () => {
  const trace = "00-2aa957558db348f387ef704b37631a1d-590d733a1b798149-01";
  const [before, after] = await events([
    inserted(Twin, 1, room),
    message("traceparent", trace),
    inserted(Twin, 2, room),
  ]);
  assert.equal(before && "traceparent" in before.event, false);
  assert.equal(after?.event.traceparent, trace);
});

Deno.test("names that need escaping stand as they are in attributes and escaped in the body", async () => {
  const id = 'a "room" \\ é/~1';
  const [made] = await events([inserted(Twin, 1, { ...room, $dtId: id })]);
  assert.equal(made?.event.subject, id);
  assert.equal(made?.event.partitionkey, id);
  assert.equal(JSON.parse(made?.event.data ?? "").$dtId, id);
});

Deno.test("an event of a snapshot says so, and has the same id wherever the snapshot tells it", async () => {
  const snapshotOf = async (id: string, row: number, commitLsn: bigint, format?: EventFormat) => {
    const { items } = await twinOutcome(transaction([inserted(Twin, row, room)], { commitLsn }));
    const told = items.map((item) => item.kind === "change" ? { ...item, snapshot: { id } } : item);
    return madeEvents(new EventFactory(options), told, format).map(({ event }) => event);
  };
  const [first] = await snapshotOf("s", 1, 100n);
  const [again] = await snapshotOf("s", 1, 200n);
  assert.equal(first?.snapshot, true);
  assert.equal(first?.id, again?.id);
  assert.equal(first?.id, "529d3f23-7a46-8091-99e5-088488c00000");
  assert(first && again && first.sequence !== undefined && first.sequence < (again.sequence ?? ""));

  const others = [
    ...await snapshotOf("s", 2, 100n),
    ...await snapshotOf("t", 1, 100n),
    ...await snapshotOf("s", 1, 100n, "DataHistory"),
  ];
  assert.equal(others.length, 4);
  assert.equal(new Set([first, ...others].map(({ id }) => id)).size, 5);
});
