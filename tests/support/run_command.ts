import { ROOT } from "./repository.ts";
import { startArguments } from "./start_task.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Milliseconds that a command may take. */
const LONGEST = 300_000;

/** Runs `main.ts` with these arguments to its end, as `deno task start` does. */
export async function runCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: startArguments(...args),
    cwd: ROOT,
    env: { NO_COLOR: "1", ...environment },
    stdin: "null",
    signal: AbortSignal.timeout(LONGEST),
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
