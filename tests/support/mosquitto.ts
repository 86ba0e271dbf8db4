/** Where Debian puts it is on no ordinary user's PATH. */
const FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"];

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
  const installed = await run("apt-get", ["install", "-y", "--no-install-recommends", "mosquitto"]) ||
    (await run("apt-get", ["update"]) &&
      await run("apt-get", ["install", "-y", "--no-install-recommends", "mosquitto"]));
  const path = findProgram("mosquitto");
  if (!installed || path === undefined) {
    throw new Error("Cannot start Mosquitto: apt-get does not install it");
  }
  return path;
}

function canInstall(): boolean {
  return Deno.build.os === "linux" && Deno.uid() === 0 && findProgram("apt-get") !== undefined;
}

function findProgram(name: string): string | undefined {
  return [...(Deno.env.get("PATH") ?? "").split(":"), ...FOLDERS]
    .map((folder) => `${folder}/${name}`)
    .find((path) => {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false;
      }
    });
}

async function run(command: string, args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, {
    args: [...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
