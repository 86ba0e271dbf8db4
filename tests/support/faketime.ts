import { canInstall, installPackage } from "./debian_package.ts";

/** Debian's name for this machine's kind, which is in the paths of libraries. */
const MACHINE = `${Deno.build.arch}-linux-gnu`;
const LIBRARY = `/usr/lib/${MACHINE}/faketime/libfaketime.so.1`;

/** Whether there is a libfaketime for this machine, or can be. */
export function hasFaketime(): boolean {
  return isInstalled() || canInstall();
}

/** The path of libfaketime, which Debian's package brings where it is missing. */
export async function faketime(): Promise<string> {
  if (isInstalled()) return LIBRARY;
  if (!canInstall()) {
    throw new Error("Cannot set a clock: libfaketime is not installed, and only root can do that");
  }
  if (!await installPackage("libfaketime") || !isInstalled()) {
    throw new Error("Cannot set a clock: apt-get does not install libfaketime");
  }
  return LIBRARY;
}

function isInstalled(): boolean {
  try {
    return Deno.build.os === "linux" && Deno.statSync(LIBRARY).isFile;
  } catch {
    return false;
  }
}
