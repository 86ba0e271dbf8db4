import { findProgram } from "./find_program.ts";

/** Whether packages of Debian's can be brought to this machine. */
export function canInstall(): boolean {
  return Deno.build.os === "linux" && Deno.uid() === 0 && findProgram("apt-get") !== undefined;
}

/** Resolves to false when apt-get does not install it. */
export async function installPackage(name: string): Promise<boolean> {
  const install = ["install", "-y", "--no-install-recommends", name];
  return await aptGet(install) || (await aptGet(["update"]) && await aptGet(install));
}

/** Milliseconds. */
const LONGEST_INSTALLATION = 300_000;

async function aptGet(args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command("apt-get", {
    args: [...args],
    signal: AbortSignal.timeout(LONGEST_INSTALLATION),
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
