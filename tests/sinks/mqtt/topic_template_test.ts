import assert from "node:assert/strict";
import fc from "fast-check";
import { TopicTemplate } from "../../../sinks/mqtt/topic_template.ts";
import { cloudEvent } from "../../support/cloud_events.ts";

const EVENT = cloudEvent(7, {
  subject: "room-7/relationships/has-1",
  source: "https://twins.example.com/a+b",
  partitionkey: "room-7",
});

const TOPICS: [string, string][] = [
  ["digitaltwins/events", "digitaltwins/events"],
  ["{subject}", "room-7/relationships/has-1"],
  ["twins/{subject}/{type}", "twins/room-7/relationships/has-1/Konnektr.DigitalTwins.Twin.Update"],
  ["{source}/x", "https:%2F%2Ftwins.example.com%2Fa%2Bb/x"],
  ["{dataschema}/{partitionkey}", "_/room-7"],
  ["a-{partitionkey}-b{id}", "a-room-7-broom-7-7"],
];

for (const [template, topic] of TOPICS) {
  Deno.test(`mqtt publishes to ${topic} for ${template}`, () => {
    assert.equal(new TopicTemplate(template).topicOf(EVENT), topic);
  });
}

Deno.test("mqtt encodes what a topic cannot have, and only that", () => {
  const topicOf = (subject: string, template = "t/{subject}") =>
    new TopicTemplate(template).topicOf(cloudEvent(1, { subject }));
  assert.equal(topicOf("a+b#c%d"), "t/a%2Bb%23c%25d");
  assert.equal(topicOf("\0\x1f\x7f\x9f\ufdd0\uffff"), "t/%00%1F%7F%C2%9F%EF%B7%90%EF%BF%BF");
  assert.equal(topicOf("Größe 会議室 😀 $a&=?"), "t/Größe 会議室 😀 $a&=?");
  assert.equal(topicOf("\ud800"), "t/\ufffd");
  assert.equal(topicOf("$SYS/x", "{subject}"), "%24SYS/x");
  assert.equal(topicOf("x", "$aws/rules/r/{subject}"), "$aws/rules/r/x");
  assert.equal(topicOf("$x", "{dataschema}{subject}"), "_$x");
});

Deno.test("mqtt gives two keys two topics, none of them with a wildcard or an empty level", () => {
  const template = new TopicTemplate("{partitionkey}");
  const key = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => text.isWellFormed());
  fc.assert(fc.property(key, key, (one, other) => {
    const [first, second] = [one, other].map((partitionkey) =>
      template.topicOf(cloudEvent(1, { partitionkey }))
    );
    assert.equal(first === second, one === other || [one, other].every((each) => each === "_"));
    assert.doesNotMatch(first ?? "", /^$|[+#\0/]|^\$/);
    assert.equal(decodeURIComponent(first ?? ""), one);
  }));
});

Deno.test("a mqtt topic may be named after the graph", () => {
  const template = new TopicTemplate("twins.{graph}");
  assert.equal(template.topicOf(cloudEvent(1, { graph: "moon" })), "twins.moon");
  assert.equal(template.topicOf(cloudEvent(1)), "twins._");
});
