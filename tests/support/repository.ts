import { fileURLToPath } from "node:url";
import { join, relative } from "node:path";

/** The repository's folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export function fromFileUrl(url: string): string {
  return fileURLToPath(url);
}

/** A path inside the repository, with forward slashes, relative to its root. */
export function relativeToRoot(path: string): string {
  return relative(ROOT, path).replaceAll("\\", "/");
}

/** The absolute path of a file of the repository. */
export function inRepository(...parts: string[]): string {
  return join(ROOT, ...parts);
}
