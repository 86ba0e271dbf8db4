import assert from "node:assert/strict";
import fc from "fast-check";
import { logOf } from "../../src/observe/log.ts";
import { configureLogging, type LoggingOptions, logSettings } from "../../src/observe/log_setup.ts";

const SECRET = "hunter2hunter2";

/** What is written while `act` logs. */
async function logged(act: () => void, options: LoggingOptions = {}): Promise<string> {
  const chunks: Uint8Array[] = [];
  const target = {
    write(bytes: Uint8Array) {
      chunks.push(bytes.slice());
      return Promise.resolve(bytes.length);
    },
  };
  {
    await using _logging = configureLogging({
      level: "info",
      format: "json",
      colours: false,
      secrets: [SECRET],
      target,
      ...options,
    });
    act();
  }
  return new TextDecoder().decode(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).bytes());
}

function parsed(output: string): Record<string, unknown>[] {
  return output.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
}

Deno.test("writes one JSON object a line: time, level, component, message, fields", async () => {
  const [line, ...rest] = parsed(
    await logged(() =>
      logOf("sink.Hook").warn("Cannot reach {it}", { host: "example.com", tries: 3, ok: false })
    ),
  );
  assert.equal(rest.length, 0);
  assert.match(String(line?.["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual({ ...line, time: "" }, {
    time: "",
    level: "warn",
    component: "sink.Hook",
    message: "Cannot reach {it}",
    host: "example.com",
    tries: 3,
    ok: false,
  });
});

Deno.test("a field never hides what every record has", async () => {
  const [line] = parsed(await logged(() => logOf("a").info("m", { message: "x", level: 1, time: 2 })));
  assert.equal(line?.["message"], "m");
  assert.deepEqual([line?.["message_"], line?.["level_"], line?.["time_"]], ["x", 1, 2]);
});

Deno.test("writes values that JSON has no form for", async () => {
  const circular: Record<string, unknown> = { a: 1 };
  circular["self"] = circular;
  const hostile = {
    get boom() {
      throw new Error("no");
    },
  };
  const [line] = parsed(
    await logged(() =>
      logOf("a").info("m", {
        lsn: 0x16_b374d848n,
        none: undefined,
        nan: NaN,
        at: new Date(0),
        never: new Date(NaN),
        bytes: new Uint8Array(3),
        map: new Map([["k", 1n]]),
        set: new Set([1, 2]),
        url: new URL("https://example.com/"),
        circular,
        hostile,
        many: Array(1_000).fill(0),
        long: "x".repeat(100_000),
        toJSON: () => "tricked",
      })
    ),
  );
  assert.deepEqual(
    { ...line, time: "", many: (line?.["many"] as unknown[]).length, long: String(line?.["long"]).length },
    {
      time: "",
      level: "info",
      component: "a",
      message: "m",
      lsn: String(0x16_b374d848n),
      nan: "NaN",
      at: "1970-01-01T00:00:00.000Z",
      never: "invalid date",
      bytes: "[3 bytes]",
      map: { k: "1" },
      set: [1, 2],
      url: "https://example.com/",
      circular: { a: 1, self: "[circular]" },
      hostile: "[unreadable: Error]",
      many: 100,
      long: 8_193,
      toJSON: "[function toJSON]",
    },
  );
});

Deno.test("writes an error with its name, message, code and causes, and its stack where it is an error", async () => {
  const cause = Object.assign(new TypeError("refused"), { code: "ECONNREFUSED" });
  const error = new AggregateError([new Error("one")], "all failed", { cause });
  const [warned, failed] = parsed(
    await logged(() => {
      logOf("a").warn("m", { error });
      logOf("a").error("m", { error });
    }),
  );
  assert.deepEqual(warned?.["error"], {
    name: "AggregateError",
    message: "all failed",
    errors: [{ name: "Error", message: "one" }],
    cause: { code: "ECONNREFUSED", name: "TypeError", message: "refused" },
  });
  assert.match((failed?.["error"] as { stack: string }).stack, /log_setup_test\.ts/);
});

Deno.test("writes lines for people", async () => {
  const cause = Object.assign(new Error("connection refused"), { code: "ECONNREFUSED" });
  const output = await logged(
    () =>
      logOf("postgres").warn("Cannot connect", {
        host: "db",
        note: "two words",
        error: new Error("x", { cause }),
      }),
    { format: "text" },
  );
  assert.equal(
    output.replace(/^\d\d:\d\d:\d\d\.\d{3}/, "<time>"),
    `<time> warn  postgres: Cannot connect  host=db  note="two words"
    error: Error: x
    cause: Error: connection refused  code=ECONNREFUSED
`,
  );
});

Deno.test("colours lines for people on a terminal only", async () => {
  const act = () => logOf("a").error("m");
  assert((await logged(act, { format: "text", colours: true })).includes("\x1b[31merror"));
  assert(!(await logged(act, { format: "text", colours: false })).includes("\x1b"));
});

Deno.test("no field can move the cursor or forge a line for people", async () => {
  const forged = "x\n12:00:00.000 info  main: all is well\x1b[2J\r";
  const output = await logged(
    () => logOf("a").warn(forged, { forged, [forged]: 1, error: new Error(forged) }),
    {
      format: "text",
    },
  );
  assert(!output.includes("\x1b") && !output.includes("\r"), output);
  assert.doesNotMatch(output, /^12:00/m);
});

/** Every place in a record where a secret may be. */
function secretEverywhere(): void {
  const error = new Error(`in ${SECRET}`, { cause: new Error(`cause ${SECRET}`) });
  Object.assign(error, { url: `https://u:${SECRET}@h`, nested: { deep: [SECRET] } });
  logOf("a").error(`message ${SECRET}`, {
    field: SECRET,
    [SECRET]: "key",
    list: [`x${SECRET}x`],
    map: new Map([[SECRET, SECRET]]),
    url: new URL(`https://u:${SECRET}@h/`),
    encoded: encodeURIComponent(SECRET),
    aggregate: new AggregateError([error], SECRET),
    error,
    long: "x".repeat(8_180) + SECRET,
  });
}

for (const format of ["json", "text"] as const) {
  Deno.test(`no secret is in the log, wherever it was put (${format})`, async () => {
    const output = await logged(secretEverywhere, { format });
    assert.match(output, /\*\*\*/);
    assert.doesNotMatch(output, /hunter2/);
  });
}

Deno.test("a secret that becomes known later is masked from then on", async () => {
  const chunks: string[] = [];
  const target = {
    write(bytes: Uint8Array) {
      chunks.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  };
  await using logging = configureLogging({ level: "info", format: "json", target });
  logging.redaction.add("rotated-password");
  logOf("a").info("rotated-password");
  await logging.flush();
  assert.match(chunks.join(""), /"message":"\*\*\*"/);
});

Deno.test("says nothing below its level, and nothing at all when off", async () => {
  const act = () => {
    logOf("a").debug("d");
    logOf("a").info("i");
    logOf("a").warn("w");
    logOf("a").error("e");
  };
  const levels = async (level: LoggingOptions["level"]) =>
    (await logged(act, { level: level ?? "info" })).split("\n").filter(Boolean).map((line) =>
      JSON.parse(line).level
    );
  assert.deepEqual(await levels("debug"), ["debug", "info", "warn", "error"]);
  assert.deepEqual(await levels("warn"), ["warn", "error"]);
  assert.deepEqual(await levels("error"), ["error"]);
  assert.deepEqual(await levels("off"), []);
});

Deno.test("nothing that is logged makes the program fail", async () => {
  const values = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
  });
  for (const format of ["json", "text"] as const) {
    await logged(() => {
      fc.assert(
        fc.property(fc.string(), fc.dictionary(fc.string(), values), (message, fields) => {
          logOf("a").info(message, {
            ...fields,
            error: fields["error"] ?? new Error(message, { cause: fields }),
          });
        }),
        { seed: 6, numRuns: 500 },
      );
    }, { format });
  }
});

Deno.test("takes level and format from the environment", () => {
  assert.deepEqual(logSettings({}, true), { level: "info", format: "text", colours: true });
  assert.deepEqual(logSettings({}, false), { level: "info", format: "json", colours: false });
  assert.deepEqual(
    logSettings({ TWINROUTER_LOG_LEVEL: "DEBUG", TWINROUTER_LOG_FORMAT: "json", NO_COLOR: "1" }, true),
    {
      level: "debug",
      format: "json",
      colours: false,
    },
  );
  assert.throws(() => logSettings({ TWINROUTER_LOG_LEVEL: "loud" }, true), {
    message: "Cannot set up the log: TWINROUTER_LOG_LEVEL must be one of debug, info, warn, error, off",
  });
});
