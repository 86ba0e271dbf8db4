import assert from "node:assert/strict";
import fc from "fast-check";
import { TopicTemplate } from "../../../sinks/kafka/topic_template.ts";
import { cloudEvent } from "../../support/cloud_events.ts";

const TOPICS = [
  ["twins", {}, "twins"],
  ["twins.{type}", { type: "Konnektr.DigitalTwins.Twin.Update" }, "twins.Konnektr.DigitalTwins.Twin.Update"],
  ["{subject}-x", { subject: "room 1/relationships/ü😀" }, "room_1_relationships___-x"],
  ["a{subject}b", { subject: "" }, "a_b"],
  ["{subject}", { subject: ".." }, "__"],
  ["{id}", { id: "x".repeat(300) }, "x".repeat(249)],
] as const;

for (const [template, attributes, topic] of TOPICS) {
  Deno.test(`the topic ${template} of an event with ${JSON.stringify(attributes).slice(0, 60)}`, () => {
    assert.equal(new TopicTemplate(template).topicOf(cloudEvent(1, attributes)), topic);
  });
}

Deno.test("whatever an event has, its topic is one that Kafka allows", () => {
  const template = new TopicTemplate("{subject}{type}");
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", ".", ".."));
  fc.assert(fc.property(text, text, (subject, type) => {
    const topic = template.topicOf(cloudEvent(1, { subject, type }));
    assert.match(topic, /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/);
  }));
});

Deno.test("only a topic without attributes is the same for all events", () => {
  assert.equal(new TopicTemplate("twins").only, "twins");
  assert.equal(new TopicTemplate("{type}").only, undefined);
});

Deno.test("a kafka topic may be named after the graph", () => {
  const template = new TopicTemplate("twins.{graph}");
  assert.equal(template.topicOf(cloudEvent(1, { graph: "moon" })), "twins.moon");
  assert.equal(template.topicOf(cloudEvent(1)), "twins._");
});
