import { basename, dirname, join } from "node:path";

const DIGITS = 6;

/**
 * The files that a path's file became when it was full: `<path>.000001`, `<path>.000002` and so on, oldest first. A name
 * never changes again, so that whoever collects them knows what he has.
 */
export async function fullFiles(path: string): Promise<{ readonly path: string; readonly number: number }[]> {
  const prefix = `${basename(path)}.`;
  const files = [];
  for await (const { name } of Deno.readDir(dirname(path))) {
    const digits = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    if (digits.length >= DIGITS && /^\d+$/.test(digits)) {
      files.push({ path: join(dirname(path), name), number: Number(digits) });
    }
  }
  return files.sort((a, b) => a.number - b.number);
}

/** The name for the file when it is full. */
export async function nextFullFile(path: string): Promise<string> {
  const newest = (await fullFiles(path)).at(-1)?.number ?? 0;
  return `${path}.${String(newest + 1).padStart(DIGITS, "0")}`;
}
