import assert from "node:assert/strict";
import fc from "fast-check";
import { loadText, problemsOf, type Surroundings } from "../support/load_text.ts";

const SECRET = "hunter2hunter2";

/** Mistakes around a secret: whatever is wrong, the secret may not be told. */
const LEAKS: readonly [string, string, Surroundings?][] = [
  ["a wrong key beside it", `source: { password: ${SECRET}, prot: 5432 }`],
  ["a misspelt key", `source: { passwrod: ${SECRET} }`],
  ["a key too many", `source: { password: ${SECRET}, passwordFile: x }`],
  ["a list where text belongs", `source: { password: [${SECRET}] }`],
  ["a mapping where text belongs", `source: { password: { a: ${SECRET} } }`],
  ["a value given twice", `source: { password: ${SECRET}, password: ${SECRET} }`],
  ["the secret in a wrong place", "source: { port: ${PW} }", { environment: { PW: SECRET } }],
  ["the secret as the name of a sink", "eventRoutes: [{ sinkName: ${PW} }]", { environment: { PW: SECRET } }],
  ["the secret as a part of a name", "eventRoutes: [{ sinkName: x${PW} }]", { environment: { PW: SECRET } }],
  ["a secret file in a wrong place", 'eventRoutes: [{ sinkName: "${file:/pw}" }]', {
    files: { "/pw": SECRET },
  }],
  ["a secret file as a format", 'eventRoutes: [{ sinkName: a, eventFormat: "${file:/pw}" }]', {
    files: { "/pw": SECRET },
  }],
  ["a connection string", `source: { connectionString: "postgres://u:${SECRET}@h", hots: x }`],
  ["a broken URL", `eventSinks: { webhook: [{ name: A, url: "htps://u:${SECRET}@h" }] }`],
  [
    "a header with a wrong value",
    `eventSinks: { webhook: [{ name: A, url: "https://h", headers: { A: "${SECRET}\\n" } }] }`,
  ],
  [
    "an unknown kind of authentication",
    `eventSinks: { webhook: [{ name: A, url: "https://h", auth: { type: x, token: ${SECRET} } }] }`,
  ],
  ["a quote that does not end", `source: { password: "${SECRET} }`],
  ["text after a quote", `source: { password: "a"${SECRET} }`],
  ["a bad escape", `source: { password: "\\q${SECRET}" }`],
  ["an alias by mistake", `source: { password: *${SECRET} }`],
  ["an anchor by mistake", `source: { password: &${SECRET} }`],
  ["a tag by mistake", `source: { password: !${SECRET} }`],
  ["a tag by mistake, with text", `source: { password: !!${SECRET} x }`],
  ["a directive by mistake", `source:\n  password: |\n%${SECRET}\n`],
  ["a character that may not begin text", `source: { password: @${SECRET} }`],
  ["a block's header by mistake", `source:\n  password: |${SECRET}\n`],
  ["a colon in the text", `source:\n  password: ${SECRET}: ${SECRET}\n`],
  ["a space that is missing", `source: { password:${SECRET} }`],
  ["a comma in the text", `source: { password: a,${SECRET} }`],
  [
    "a comma in a header",
    `eventSinks: { webhook: [{ name: A, url: "https://h", headers: { A: b,${SECRET} } }] }`,
  ],
  ["an unclosed reference", `source: { password: "\${${SECRET}" }`],
  ["a number", `source: { password: ${SECRET.replace(/\D/g, "")}99 }`],
];

for (const [title, config, surroundings] of LEAKS) {
  Deno.test(`a secret is not told with ${title}`, () => {
    const yaml = `events:\n  config:\n    eventSinks: { console: [{ name: Screen }] }\n${
      config.replace(/^/gm, "    ")
    }\n`;
    const alone = config.startsWith("eventSinks") ? yaml.replace(/^ +eventSinks: \{ console.*\n/m, "") : yaml;
    const problems = problemsOf(() => loadText(alone, surroundings));
    assert.doesNotMatch(JSON.stringify(problems), /hunter2/, JSON.stringify(problems));
  });
}

Deno.test("whatever is done to a file with a secret, the secret is not told", () => {
  const good = `events:
  config:
    source: { host: db, password: ${SECRET} }
    eventSinks:
      mqtt:
        - { name: M, broker: b, topic: t, password: "${SECRET}" }
      webhook:
        - name: W
          url: https://u:${SECRET}@example.com/
          auth: { type: bearer, token: ${SECRET} }
`;
  fc.assert(
    fc.property(
      fc.nat(good.length),
      fc.nat(3),
      fc.string({ unit: fc.constantFrom(..."{}[]:,&*!|>'\"%@`#-?\\\n\t ${a1"), maxLength: 3 }),
      (at, removed, added) => {
        // Whoever makes a key of the secret, with a value, or a variable's name, is told of it.
        const text = good.slice(0, at) + added + good.slice(at + removed);
        if (text.split(SECRET).length !== 5) return;
        if (new RegExp(`${SECRET}["']?\\s*:\\s|\\$\\{`).test(text)) return;
        try {
          loadText(text);
        } catch (error) {
          assert.doesNotMatch(String(error), /hunter2/, text);
        }
      },
    ),
    { seed: 3, numRuns: 1_500 },
  );
});
