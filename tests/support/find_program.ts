/** Where Debian puts servers is on no ordinary user's PATH. */
const FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"];

/** Its path, if it is installed. */
export function findProgram(name: string): string | undefined {
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
