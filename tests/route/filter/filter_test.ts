import assert from "node:assert/strict";
import { Filter } from "../../../src/route/filter/filter.ts";
import type { ModelHierarchy } from "../../../src/route/filter/model_hierarchy.ts";
import { UnsentEvent } from "../../../src/route/filter/filterable_event.ts";
import { matches, type SampleEvent, writtenEvent } from "../../support/filter_events.ts";
import { routerEvent } from "../../support/router_events.ts";

function holds(event: SampleEvent, ...filters: readonly string[]): void {
  for (const filter of filters) assert.equal(matches(filter, event), true, filter);
}

function fails(event: SampleEvent, ...filters: readonly string[]): void {
  for (const filter of filters) assert.equal(matches(filter, event), false, filter);
}

const nothing: SampleEvent = {};

Deno.test("AND binds closer than OR, and NOT closer than AND", () => {
  holds(
    nothing,
    "true OR true AND false",
    "NOT false OR true",
    "NOT false AND true",
    "true AND false OR true",
  );
  fails(nothing, "(true OR true) AND false", "NOT true AND false", "NOT (false OR true)", "NOT NOT false");
});

Deno.test("keywords and functions are understood in any case, values are not", () => {
  const event = { attributes: { type: "Ab" }, body: '{"x": null}' };
  holds(
    event,
    "NOT FALSE aNd tRuE",
    "$body.x = NULL",
    "starts_with(type, 'A')",
    "type In ['Ab']",
    "type nin ['ab']",
  );
  fails(event, "type = 'ab'", "STARTS_WITH(type, 'a')", "$body.X != null OR NOT true");
});

Deno.test("attributes have the values that an unsent event has", () => {
  const { event } = routerEvent("room", 1, { dataschema: "dtmi:x;1", traceparent: "00-01-02-03" });
  for (
    const filter of [
      "type = 'Konnektr.DigitalTwins.Twin.Update'",
      "source = 'postgresql://localhost/twins/digitaltwins'",
      "subject = 'room'",
      "id = 'room-1'",
      "time = '2026-01-01T12:00:00.123456Z'",
      "datacontenttype = 'application/json'",
      "dataschema = 'dtmi:x;1'",
      "specversion = '1.0'",
      "partitionkey = 'room' AND sequence != null AND traceparent = '00-01-02-03'",
      "nosuchextension = null AND constructor = null",
      "IS_DEFINED(sequence) AND NOT IS_DEFINED(nosuchextension)",
    ]
  ) {
    assert.equal(new Filter(filter).matches(new UnsentEvent(event)), true, filter);
  }
});

Deno.test("extension attributes may be numbers and booleans in an event that was written", () => {
  const event = { attributes: { snapshot: true, attempt: 3, name: "x" } };
  holds(
    event,
    "snapshot = true",
    "attempt >= 3",
    "IS_BOOL(snapshot) AND IS_NUMBER(attempt) AND IS_STRING(name)",
  );
  fails(event, "snapshot = 'true'", "attempt = '3'");
});

Deno.test("strings double their quotes", () => {
  holds({ body: `{"it's": "it's", "q": "''"}` }, "$body['it''s'] = 'it''s'", "$body.q = ''''''", "'' = ''");
});

Deno.test("paths are dotted, or bracketed where a key has other characters", () => {
  const event = {
    body: `{"key with space": {"a-b": 1}, "$metadata": {"$model": "m"}, "and": {"in": 2}, "é": 3}`,
  };
  holds(
    event,
    "$body['key with space']['a-b'] = 1",
    "$body.$metadata.$model = 'm'",
    "$body.and.in = 2",
    "$body.é = 3",
    "$body . and [ 'in' ] = 2",
    "IS_OBJECT($body)",
  );
});

Deno.test("an index takes one item, and only of an array", () => {
  const event = {
    body: `{"patch": [{"path": "/a"}, {"path": "/b"}], "o": {"0": 1}, "nested": [[1, 2], [3, 4]]}`,
  };
  holds(event, "$body.patch[0].path = '/a'", "$body.patch[1].path = '/b'", "$body.nested[1][0] = 3");
  holds(event, "$body.patch[2] = null", "$body.o[0] = null", "$body.nested[1] = 4", "$body.o['0'] = 1");
  fails(
    event,
    "$body.patch[0].path = '/b'",
    "IS_DEFINED($body.patch[2])",
    "IS_DEFINED($body.o[0])",
    "$body.nested[1] = 1",
  );
});

Deno.test("a path through an array means any element, for every comparison and function", () => {
  const event = {
    body:
      `{"list": [{"v": 1}, {"v": "text"}, {"v": [true, {"w": null}]}], "tags": ["hot", "new"], "none": []}`,
  };
  holds(
    event,
    "$body.list.v = 1",
    "$body.list.v = 'text'",
    "$body.list.v = true",
    "$body.list.v < 2",
    "$body.list.v IN [5, 'text']",
    "STARTS_WITH($body.list.v, 'te')",
    "ENDS_WITH($body.list.v, 'xt')",
    "CONTAINS($body.list.v, 'ex')",
    "IS_NUMBER($body.list.v) AND IS_STRING($body.list.v) AND IS_BOOL($body.list.v) AND IS_OBJECT($body.list.v)",
    "IS_DEFINED($body.list.v.w)",
    "$body.tags = 'new'",
    "'new' = $body.tags",
    "$body.tags = $body['tags']",
    "$body.list.v.w = null",
    "IS_DEFINED($body.none)",
  );
  fails(
    event,
    "$body.tags != 'new'",
    "$body.tags NIN ['new']",
    "$body.list.v > 1",
    "$body.none = null",
    "IS_DEFINED($body.none.x)",
    "IS_DEFINED($body.list.x)",
    "IS_OBJECT($body.tags)",
  );
});

Deno.test("a missing member is null", () => {
  const event = { body: `{"there": null, "one": 1}` };
  holds(
    event,
    "$body.there = null",
    "$body.not.there = null",
    "$body.one.x = null",
    "subject = null",
    "null = null",
  );
  holds(
    event,
    "$body.one != null",
    "$body.there IN [null]",
    "IS_DEFINED($body.there)",
    "$body.there = $body.gone",
  );
  fails(
    event,
    "$body.one = null",
    "$body.there != null",
    "IS_DEFINED($body.gone)",
    "IS_DEFINED($body.one.x)",
  );
  holds(nothing, "$body.x = null", "$body = null");
  fails(nothing, "IS_DEFINED($body)", "IS_DEFINED($body.x)", "IS_DEFINED(type)", "IS_OF_MODEL('dtmi:x;1')");
});

Deno.test("ordering against null or across types is false, and so is equality across types", () => {
  const event = { body: `{"n": 1, "s": "1", "t": true, "o": {}, "z": null}` };
  for (const operator of ["<", "<=", ">", ">="]) {
    for (const other of ["null", "'1'", "true", "$body.gone", "$body.o", "$body.s", "$body.z"]) {
      fails(event, `$body.n ${operator} ${other}`, `${other} ${operator} $body.n`);
    }
    fails(event, `null ${operator} null`, `true ${operator} true`, `$body.o ${operator} $body.o`);
  }
  fails(
    event,
    "$body.n = '1'",
    "$body.s = 1",
    "$body.t = 'true'",
    "$body.t = 1",
    "$body.o = '{}'",
    "$body.z = 0",
  );
  holds(event, "$body.n != '1'", "$body.s != 1", "$body.z != 0", "$body.o = $body.o");
});

Deno.test("what is not equal is not, and in no list", () => {
  const event = { body: `{"x": 22.0}` };
  holds(event, "$body.x IN [1, 2.2e1]", "$body.x NIN []", "$body.x NIN ['22', null]", "NOT $body.x IN []");
  fails(event, "$body.x NIN [22]", "$body.x != 22", "$body.x IN []", "$body.x IN ['22']");
});

Deno.test("numbers compare by value, to the last of their digits", () => {
  const event = {
    body: `{"big": 9007199254740993, "tenth": 0.1, "huge": 1e400, "tiny": -1e-400, "n": 22.0, "zero": -0}`,
  };
  holds(
    event,
    "$body.n = 22",
    "$body.n = 2.2e1",
    "$body.n = 220E-1",
    "$body.big = 9007199254740993",
    "$body.big > 9007199254740992",
    "$body.big >= 9007199254740993.0",
    "$body.big < 9007199254740993.5",
    "$body.tenth < 0.10000000000000001",
    "$body.tenth = 0.10",
    "$body.huge > 1e399",
    "$body.huge = 10e399",
    "$body.tiny < 0 AND $body.tiny > -2e-400",
    "$body.zero = 0 AND $body.zero >= 0 AND $body.zero <= -0.0",
    "-5 < -4.5 AND -5 < 1",
  );
  fails(
    event,
    "$body.big = 9007199254740992",
    "$body.big <= 9007199254740992",
    "$body.tenth = 0.10000000000000001",
  );
});

Deno.test("strings are ordered by their characters", () => {
  holds(nothing, "'a' < 'b'", "'B' < 'a'", "'10' < '9'", "'a' <= 'a' AND 'a' >= 'a'");
  fails(nothing, "'a' < 'a'");
});

Deno.test("time compares as an instant", () => {
  const event = {
    attributes: { time: "2026-01-01T12:00:00.123456Z", subject: "2026-01-01T12:00:00.123456Z" },
  };
  holds(
    event,
    "time = '2026-01-01T13:00:00.1234560+01:00'",
    "time > '2026-01-01T12:00:00Z'",
    "time < '2026-01-01T12:00:00.1234561Z'",
    "time >= '2026-01-01' AND time < '2026-01-02'",
    "'2026-01-01T07:30:00-05:00' > time",
    "time IN ['2026-01-01t12:00:00.12345600z']",
    "time = subject",
    "STARTS_WITH(time, '2026-01-01T12')",
  );
  fails(
    event,
    "subject = '2026-01-01T13:00:00.1234560+01:00'",
    "time = 'no time'",
    "time > 'no time'",
    "time <= 'no time'",
    "time > 5",
    "time = null",
    "time >= null",
  );
});

Deno.test("text functions take strings alone, and any string contains the empty one", () => {
  const event = { body: `{"s": "abc", "n": 123, "o": {}}` };
  holds(
    event,
    "STARTS_WITH($body.s, 'ab')",
    "ENDS_WITH($body.s, 'bc')",
    "CONTAINS($body.s, 'b')",
    "CONTAINS('abcd', $body.s)",
  );
  holds(event, "STARTS_WITH($body.s, '') AND ENDS_WITH($body.s, '') AND CONTAINS($body.s, '')");
  fails(
    event,
    "CONTAINS($body.n, '2')",
    "CONTAINS($body.s, 1)",
    "STARTS_WITH($body.gone, '')",
    "ENDS_WITH($body.s, null)",
  );
});

Deno.test("types are told apart", () => {
  const event = { body: `{"n": 1.5, "s": "", "t": false, "o": {}, "z": null, "a": []}` };
  const kinds = { IS_NUMBER: "n", IS_STRING: "s", IS_BOOL: "t", IS_OBJECT: "o" };
  for (const [name, own] of Object.entries(kinds)) {
    for (const key of ["n", "s", "t", "o", "z", "a", "gone"]) {
      assert.equal(matches(`${name}($body.${key})`, event), key === own, `${name} ${key}`);
    }
  }
});

Deno.test("IS_OF_MODEL looks at the metadata, then at modelId, then at dataschema", () => {
  const models: ModelHierarchy = {
    isOfModel: (model, ancestor) =>
      model === ancestor || (model === "dtmi:x:Lab;1" && ancestor === "dtmi:x:Room;1"),
  };
  const dataschema = "dtmi:x:Lab;1";
  const events: readonly SampleEvent[] = [
    {
      body: `{"$metadata": {"$model": "dtmi:x:Lab;1"}, "modelId": "dtmi:x:Other;1"}`,
      attributes: { dataschema: "dtmi:x:Y;1" },
    },
    { body: `{"modelId": "dtmi:x:Lab;1", "patch": []}`, attributes: { dataschema: "dtmi:x:Other;1" } },
    { body: `{"$metadata": {"$model": 5}, "modelId": {}}`, attributes: { dataschema } },
    { body: "17", attributes: { dataschema } },
    { attributes: { dataschema } },
  ];
  for (const event of events) {
    assert.equal(matches("IS_OF_MODEL('dtmi:x:Room;1')", event, models), true);
    assert.equal(matches("is_of_model('dtmi:x:Lab;1', exact)", event, models), true);
    assert.equal(matches("IS_OF_MODEL('dtmi:x:Room;1', EXACT)", event, models), false);
    assert.equal(matches("IS_OF_MODEL('dtmi:x:Other;1')", event, models), false);
    assert.equal(matches("IS_OF_MODEL('dtmi:x:Room;1')", event), false, "nothing is known of models");
    assert.equal(matches("IS_OF_MODEL('dtmi:x:Lab;1')", event), true);
  }
});

Deno.test("a body is read once at most, and only if the answer depends on it", () => {
  const { event } = routerEvent("room", 1, { data: '{"x": 1}' });
  let reads = 0;
  const watched = new UnsentEvent({
    ...event,
    get data() {
      reads++;
      return event.data;
    },
  });
  for (
    const filter of [
      "subject = 'room' AND time > '2026-01-01'",
      "type = 'x' AND $body.x = 1",
      "true OR $body.x = 1",
    ]
  ) {
    new Filter(filter).matches(watched);
  }
  assert.equal(reads, 0);
  for (
    const filter of ["$body.x = 1", "IS_DEFINED($body.x)", "IS_OF_MODEL('dtmi:x;1')", "$body.x > $body.y"]
  ) {
    new Filter(filter).matches(watched);
  }
  assert.equal(reads, 1);
});

Deno.test("a body nested beyond any stack is searched", () => {
  const depth = 200_000;
  const body = `{"a": ${"[".repeat(depth)}{"b": 7}${"]".repeat(depth)}}`;
  const event = writtenEvent({ body });
  assert.equal(new Filter("$body.a.b = 7").matches(event), true);
  assert.equal(new Filter("$body.a.b = 8").matches(event), false);
});
