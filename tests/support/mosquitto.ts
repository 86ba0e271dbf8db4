import { canInstall, installPackage } from "./debian_package.ts";
import { findProgram } from "./find_program.ts";

/** Whether there is a Mosquitto for this machine, or can be. */
export function hasMosquitto(): boolean {
  return findProgram("mosquitto") !== undefined || canInstall();
}

/** The path of Mosquitto, which Debian's package brings where it is missing. */
export async function mosquitto(): Promise<string> {
  const found = findProgram("mosquitto");
  if (found !== undefined) return found;
  if (!canInstall()) {
    throw new Error("Cannot start Mosquitto: it is not installed, and only root can do that");
  }
  const installed = await installPackage("mosquitto");
  const path = findProgram("mosquitto");
  if (!installed || path === undefined) {
    throw new Error("Cannot start Mosquitto: apt-get does not install it");
  }
  return path;
}
