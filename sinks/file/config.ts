import { z } from "zod";
import { byteSize, integer, path } from "../../src/sink/options.ts";

/** Events appended to a file, one JSON event a line. */
export const options = z.strictObject({
  path: path().describe("The file; its folder is created. Several sinks or routers cannot share one"),
  maxBytes: byteSize({ min: 1 })
    .describe(
      "Size past which the file becomes <path>.000001, <path>.000002 and so on, oldest first, and a new one " +
        "begins; without it, it grows for ever",
    )
    .exactOptional(),
  maxFiles: integer({ min: 1 })
    .describe("Full files that are kept beside the current one; older ones are deleted. Default: all")
    .exactOptional(),
});

export type FileOptions = z.output<typeof options>;
