/** A file system of its own that a test can fill. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async canMount(): Promise<boolean> {
    const folder = await Deno.makeTempDir({ prefix: "twinrouter-disk-" });
    const disk = await SmallDisk.mount(`${folder}/disk`);
    await disk?.[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
    return disk !== undefined;
  }

  /** Where it can be had: by root on Linux who may mount. */
  static async mount(path: string): Promise<SmallDisk | undefined> {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) return undefined;
    await Deno.mkdir(path);
    const isMounted = await run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", path);
    return isMounted ? new SmallDisk(path) : undefined;
  }

  /** Leaves no byte. */
  async fill(): Promise<void> {
    using file = await Deno.open(this.#ballast, { write: true, create: true, append: true });
    const chunk = new Uint8Array(4_096);
    try {
      for (;;) await file.write(chunk);
    } catch (error) {
      if (!/No space left/.test(String(error))) throw error;
    }
  }

  async empty(): Promise<void> {
    await Deno.remove(this.#ballast);
  }

  get #ballast(): string {
    return `${this.path}/ballast`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Lazily: a program that was killed a moment ago may still be in it.
    await run("umount", "--lazy", this.path);
  }
}

async function run(command: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" }).output())
    .success;
}
