import { Session } from "node:inspector";

/**
 * Loaded before the program (`deno run --preload`), it writes at the end which npm packages have run, one a line, into
 * the file that LOADED_PACKAGES names: V8 tells of every script that it has compiled.
 */
const packages = new Set<string>();
const session = new Session();
session.connect();
session.on("Debugger.scriptParsed", ({ params }: { params: { readonly url: string } }) => {
  const [, name] = /\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\//.exec(params.url) ?? [];
  if (name !== undefined) packages.add(name);
});
session.post("Debugger.enable");
globalThis.addEventListener("unload", () => {
  Deno.writeTextFileSync(Deno.env.get("LOADED_PACKAGES") ?? "", [...packages].sort().join("\n"));
});
