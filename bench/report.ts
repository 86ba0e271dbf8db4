import { cpus, totalmem } from "node:os";

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** The value below which a share of all values lies; `share` from 0 to 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** What was measured on. */
export function describeMachine(): string {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} x ${
    processors[0]?.model.trim() ?? "?"
  }, ${memory} GiB; Deno ${Deno.version.deno}`;
}

/** The path of an installed program, on PATH or where Debian keeps PostgreSQL's; undefined where there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  for (const version of [18, 17, 16, 15, 14]) folders.push(`/usr/lib/postgresql/${version}/bin`);
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    if (await Deno.stat(path).then((found) => found.isFile, () => false)) return path;
  }
  return undefined;
}

export function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
