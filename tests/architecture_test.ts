import assert from "node:assert/strict";
import { fromFileUrl, relativeToRoot, ROOT } from "./support/repository.ts";

/** Left may not import from right; `config` and `observe` serve all and use none of them. */
const ORDER = ["postgres", "twin", "event", "route", "sink", "deliver"];
const FREE = ["config", "observe"];

interface Edge {
  readonly from: string;
  readonly to: string;
}

/** Every import of a file that the program is made of. */
async function importEdges(): Promise<Edge[]> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: ROOT,
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const graph = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: {
      specifier: string;
      dependencies?: { specifier: string; code?: { specifier?: string }; type?: { specifier?: string } }[];
    }[];
  };
  const edges: Edge[] = [];
  for (const module of graph.modules) {
    if (!module.specifier.startsWith("file:")) continue;
    const from = relativeToRoot(fromFileUrl(module.specifier));
    if (!/^(main\.ts$|src\/|sinks\/)/.test(from)) continue;
    for (const dependency of module.dependencies ?? []) {
      const target = dependency.code?.specifier ?? dependency.type?.specifier;
      if (!target?.startsWith("file:")) continue;
      edges.push({ from, to: relativeToRoot(fromFileUrl(target)) });
    }
  }
  return edges;
}

function isAllowed({ from, to }: Edge): boolean {
  const [fromTop, fromFolder = ""] = from.split("/");
  const [toTop, toFolder = ""] = to.split("/");
  if (from === "main.ts" || to === "deno.json") return true; // deno.json has the version
  if (toTop !== "src" && toTop !== "sinks") return false;
  if (fromTop === "sinks" && fromFolder !== "registry.ts") {
    return to.startsWith("src/sink/") || to.startsWith(`sinks/${fromFolder}/`);
  }
  if (fromTop === "sinks") return toTop === "sinks" || to.startsWith("src/sink/");
  if (toTop === "sinks") return false;
  if (!from.slice("src/".length).includes("/")) return true; // src/app.ts and what stands beside it
  if (!to.slice("src/".length).includes("/")) return false;
  if (fromFolder === toFolder) return true;
  if (FREE.includes(fromFolder)) return FREE.includes(toFolder);
  if (FREE.includes(toFolder)) return true;
  return ORDER.includes(fromFolder) && ORDER.indexOf(toFolder) < ORDER.indexOf(fromFolder);
}

Deno.test("imports point one way", async () => {
  const edges = await importEdges();
  assert(edges.length > 50, `only ${edges.length} imports were found`);
  const wrong = edges.filter((edge) => !isAllowed(edge)).map(({ from, to }) => `${from} imports ${to}`);
  assert.deepEqual(wrong, []);
});
