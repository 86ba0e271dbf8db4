import { z } from "zod";
import { flag } from "../../src/sink/options.ts";

/** Events on standard output. */
export const options = z.strictObject({
  pretty: flag()
    .describe("Lines for people (time, type, subject, what changed) instead of one JSON event a line")
    .prefault(false),
});

export type ConsoleOptions = z.output<typeof options>;
