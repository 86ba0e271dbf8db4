import assert from "node:assert/strict";
import fc from "fast-check";
import { prettyLine } from "../../sinks/console/pretty_line.ts";
import { columnsOf } from "../../sinks/console/terminal_text.ts";
import type { CloudEvent } from "../../src/event/cloud_event.ts";
import { cloudEvent } from "../support/cloud_events.ts";

const PLAIN = { color: false, columns: 120 };

/** A line for people without its time. */
function pretty(event: Partial<CloudEvent>, style = PLAIN): string {
  const line = prettyLine(cloudEvent(1, { subject: "room-101", ...event }), style);
  assert.match(line, /^(\p{Cc}\[2m)?\d\d:\d\d:\d\d\.123/u);
  return line.replace(/^(\p{Cc}\[2m)?[\d:.]+(\p{Cc}\[0m)? */u, "");
}

function named(type: string, data: string, subject = "room-101"): Partial<CloudEvent> {
  return { type: `Konnektr.DigitalTwins.${type}`, data, subject };
}

const TWIN =
  '{"$dtId":"room-101","$etag":"W/1","$metadata":{"$model":"dtmi:example:Room;1"},"Temperature":21.50,' +
  '"Name":"Kitchen","dims":{"h":4.5,"w":3.0}}';
const RELATIONSHIP = '{"$relationshipId":"rel-9","$sourceId":"floor-1","$targetId":"room-101",' +
  '"$relationshipName":"contains","since":2026}';

const LINES: [Partial<CloudEvent>, string][] = [
  [
    named("Twin.Create", TWIN),
    '+ Twin.Create          room-101          Room;1  Temperature = 21.50  Name = "Kitchen"  +1 more',
  ],
  [named("Twin.Delete", '{"$dtId":"room-101"}'), "- Twin.Delete          room-101"],
  [
    named("Twin.Create", '{"$dtId":"room-101","patch":[1],"action":"Delete","propertyName":"x"}'),
    '+ Twin.Create          room-101          patch = [1]  action = "Delete"  propertyName = "x"',
  ],
  [
    named(
      "Twin.Update",
      '{"modelId":"dtmi:example:Room;1","patch":[{"op":"replace","path":"/Temperature","value":22.0}]}',
    ),
    "~ Twin.Update          room-101          /Temperature = 22.0",
  ],
  [
    named(
      "Twin.Update",
      '{"patch":[{"op":"add","path":"/Busy","value":true},{"op":"remove","path":"/Name"}]}',
    ),
    "~ Twin.Update          room-101          +/Busy = true  -/Name",
  ],
  [
    named("Relationship.Create", RELATIONSHIP, "floor-1/relationships/rel-9"),
    "+ Relationship.Create  floor-1 / rel-9   contains → room-101  since = 2026",
  ],
  [
    named(
      "Model.Create",
      '{"id":"dtmi:x;1","model":{"contents":[{"name":"Temperature"},{"name":"feeds"}]}}',
      "dtmi:x;1",
    ),
    "+ Model.Create         dtmi:x;1          Temperature  feeds",
  ],
  [
    named(
      "Property.Event",
      '{"twinId":"room-101","propertyName":"Temperature","propertyValue":22.0,"operation":"Replace"}',
    ),
    "~ Property.Event       room-101          Temperature = 22.0",
  ],
  [
    named("Property.Event", '{"propertyName":"Temperature","propertyValue":null,"operation":"Remove"}'),
    "- Property.Event       room-101          -Temperature",
  ],
  [
    named("Property.Event", '{"serviceId":"x","id":"room-101","key":"T","value":22.0,"action":"Update"}'),
    "~ Property.Event       room-101          T = 22.0",
  ],
  [
    named("Property.Event", '{"serviceId":"x","id":"room-101","key":"T","value":null,"action":"Delete"}'),
    "- Property.Event       room-101          -T",
  ],
  [
    named("Model.Upload", '{"id":"dtmi:x;1","model":{"contents":[{"name":"Temperature"}]}}', "dtmi:x;1"),
    "+ Model.Upload         dtmi:x;1          Temperature",
  ],
  [
    named("Twin.Lifecycle", '{"twinId":"room-101","action":"Create","modelId":"dtmi:example:Room;1"}'),
    "+ Twin.Lifecycle       room-101          Room;1",
  ],
  [
    named("Telemetry", '{"reading":9007199254740993}'),
    "* Telemetry            room-101          reading = 9007199254740993",
  ],
  [
    named("Router.Gap", '{"reason":"truncate","graph":"digitaltwins"}', "digitaltwins"),
    '! Router.Gap           digitaltwins      reason = "truncate"  graph = "digitaltwins"',
  ],
  [{ type: "Contoso.Twin.Changed", data: "[1,2.0]" }, "* Twin.Changed         room-101          [1,2.0]"],
];

for (const [event, line] of LINES) {
  Deno.test(`console shows people ${event.type} with ${event.data}`, () => {
    assert.equal(pretty(event), line);
  });
}

Deno.test("console shows the local time", () => {
  const time = "2026-07-01T22:30:15.123456Z";
  const date = new Date(time);
  const [hours, minutes] = [date.getHours(), date.getMinutes()].map((number) =>
    String(number).padStart(2, "0")
  );
  assert(prettyLine(cloudEvent(1, { time }), PLAIN).startsWith(`${hours}:${minutes}:15.123  `));
});

Deno.test("console shows on a narrow terminal what fits, and how much more there is", () => {
  const narrow = { color: false, columns: 80 };
  assert.equal(
    prettyLine(cloudEvent(1, named("Twin.Create", TWIN)), narrow).slice("00:00:00".length),
    " + Twin.Create          room-101          Room;1  +3 more",
  );
  const long = { ...named("Twin.Update", '{"patch":[{"path":"/Temperature/of/the/kitchen","value":1},{}]}') };
  assert.equal(
    prettyLine(cloudEvent(1, long), narrow).slice("00:00:00".length),
    " ~ Twin.Update          room-101          /Temperature/of/the/…  +1 more",
  );
});

Deno.test("console counts wide characters as two columns", () => {
  const data = '{"patch":[{"op":"replace","path":"/x","value":"会議室会議室会議室会議室会議室"}]}';
  const line = prettyLine(cloudEvent(1, named("Twin.Update", data)), { color: false, columns: 75 });
  assert.equal(
    line.slice("00:00:00".length),
    ' ~ Twin.Update          room-101          /x = "会議室会議室会議室…',
  );
});

Deno.test("console colours lines on a terminal", () => {
  const line = pretty(named("Twin.Update", '{"patch":[{"op":"replace","path":"/x","value":22.0}]}'), {
    color: true,
    columns: 120,
  });
  assert(line.includes("\x1b[33m~\x1b[0m"));
  assert(line.includes("\x1b[36m22.0\x1b[0m"));
});

Deno.test("console lets no event drive the terminal", () => {
  const nasty = fc.string({
    unit: fc.oneof(
      fc.constantFrom("\x1b", "\x07", "\x9b", "\r", "\n", "\u202e", "会", "😀", "e\u0301"),
      fc.string({ minLength: 1, maxLength: 1 }),
    ),
  });
  const body = fc.oneof(
    fc.record({
      patch: fc.array(
        fc.record({ op: fc.constantFrom("add", "replace", "remove"), path: nasty, value: nasty }),
      ),
    }),
    fc.dictionary(nasty, fc.oneof(nasty, fc.double(), fc.dictionary(nasty, nasty))),
    fc.record({ $relationshipId: nasty, $relationshipName: nasty, $targetId: nasty }),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(nasty, nasty, body, fc.integer({ min: 1, max: 200 }), (subject, type, data, columns) => {
      const event = cloudEvent(1, { subject, type, data: JSON.stringify(data) });
      const plain = prettyLine(event, { color: false, columns });
      assert.doesNotMatch(plain, /[\p{Cc}\p{Bidi_Control}]/u);
      assert(columnsOf(plain) <= columns);
      const colored = prettyLine(event, { color: true, columns });
      assert.doesNotMatch(colored.replace(/\p{Cc}\[\d+m/gu, ""), /[\p{Cc}\p{Bidi_Control}]/u);
    }),
    { seed: 20260101 },
  );
});

Deno.test("console shows a body that is no JSON instead of failing", () => {
  assert.match(pretty({ data: "{torn" }), /"\{torn"$/);
});
