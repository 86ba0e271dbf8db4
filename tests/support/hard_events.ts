import type { CloudEvent } from "../../src/event/cloud_event.ts";
import { cloudEvent } from "./cloud_events.ts";

/** Events that are easily spoilt on their way, by what is hard about them. */
export function hardEvents(): [string, CloudEvent][] {
  return [
    ["an event without optional attributes", without(cloudEvent(1), "sequence")],
    [
      "an event with every attribute",
      cloudEvent(2, {
        dataschema: "dtmi:example:Room;1",
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      }),
    ],
    [
      "an attribute that is no string, and strings that look like it",
      cloudEvent(10, {
        subject: "true",
        partitionkey: "1",
        dataschema: "dtmi:example:Room;1",
        snapshot: true,
        data: '{"snapshot":"true"}',
      }),
    ],
    ["an empty attribute", cloudEvent(3, { subject: "", sequence: "" })],
    [
      "numbers beyond what a double holds",
      cloudEvent(4, {
        data:
          '{"a":22.0,"b":9007199254740993,"c":-0.0,"d":1E400,"e":1.10,"f":123456789012345678901234567890.5}',
      }),
    ],
    [
      "unicode",
      cloudEvent(5, {
        subject: "Größe/会議室/😀/e\u0301/\u202eRTL",
        partitionkey: "Größe €",
        data: '{"Größe":"会議室 😀 \u2028\u2029 \ufeff","escaped":"\\u00e9\\ud83d\\ude00"}',
      }),
    ],
    [
      "quotes, percent signs and control characters",
      cloudEvent(6, {
        subject: 'a "b" %41 \\ \t\r\n\u0000\u001b[31m,"data":{}\u007f\u0085',
        partitionkey: " 50%\u0001",
        data: '{"text":"\\u0000\\u001b[31m \\"quoted\\" \\\\ \\r\\n\\t \u007f\u0085"}',
      }),
    ],
    ["a body that is no object", cloudEvent(7, { data: "[1.0,true,{}]" })],
    ["an empty body", cloudEvent(8, { data: "{}" })],
    ["a large body", cloudEvent(9, { data: JSON.stringify({ text: "0123456789abcdef".repeat(65_536) }) })],
  ];
}

function without(event: CloudEvent, name: "sequence"): CloudEvent {
  const { [name]: _, ...rest } = event;
  return rest;
}
