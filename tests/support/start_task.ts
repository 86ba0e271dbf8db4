import manifest from "../../deno.json" with { type: "json" };
import { inRepository } from "./repository.ts";

/** Deno's arguments for running the program as `deno task start` does, so that tests run what users run. */
export function startArguments(...args: readonly string[]): string[] {
  const [, run = "", ...flags] = manifest.tasks.start.command.split(" ");
  const script = flags.pop() ?? "";
  return [run, "--quiet", ...flags, inRepository(script), ...args];
}
