import { type Log, logOf } from "../observe/log.ts";
import { type DtdlInterface, type InterfaceReference, readInterface } from "./dtdl_interface.ts";
import type { JsonText } from "./json_text.ts";
import type { Gap, TwinChange } from "./twin_change.ts";

/** Of a property: the twin's own, or one of a component. */
export type PropertyPath = readonly [property: string] | readonly [component: string, property: string];

/** A model as it stands in the graph; read when somebody first asks. */
interface Model {
  body: JsonText | undefined;
  content: ModelContent | undefined;
}

interface ModelContent {
  readonly interface: DtdlInterface | undefined;
  /** All that AgeDigitalTwins says it inherits from, whether its DTDL is understood or not. */
  readonly bases: readonly string[];
}

/** An interface with all that it inherits from, itself first. */
interface Lineage {
  readonly ids: ReadonlySet<string>;
  readonly interfaces: readonly DtdlInterface[];
}

interface Graph {
  readonly models: Map<string, Model>;
  /** By model; forgotten when any model of the graph changes. */
  readonly lineages: Map<string, Lineage>;
}

/** The label whose vertices are models. */
export const MODEL_LABEL = "Model";

/**
 * The DTDL models of each graph, as far as they have been read. A model that does not parse is reported once, by id, and
 * counts for as much of it as is understood.
 */
export class Models {
  readonly #graphs = new Map<string, Graph>();
  readonly #reported = new Set<string>();
  readonly #log: Log;

  constructor(log: Log = logOf("models")) {
    this.#log = log;
  }

  /** `body` has the properties of the model's vertex: DTDL under `model`, and perhaps `bases`. */
  put(graph: string, dtmi: string, body: JsonText): void {
    this.#change(graph).models.set(dtmi, { body, content: undefined });
  }

  delete(graph: string, dtmi: string): void {
    this.#change(graph).models.delete(dtmi);
  }

  /** Forgets the models of a graph. */
  clear(graph: string): void {
    this.#graphs.delete(graph);
  }

  /** Stays current with the stream, which may tell again what is known. */
  follow(item: TwinChange | Gap): void {
    if (item.kind === "gap") {
      if (item.label === MODEL_LABEL) this.clear(item.graph);
    } else if (item.entity === "model") {
      if (item.action === "delete") this.delete(item.graph, item.id);
      else this.put(item.graph, item.id, item.after);
    }
  }

  /**
   * What a property is by its model: the name of a primitive schema, or `enum`, `object`, `map`, `array`; `undefined` if
   * the models that are known do not say.
   */
  schemaOf(graph: string, modelId: string, path: PropertyPath): string | undefined {
    const models = this.#graphs.get(graph);
    if (!models) return undefined;
    const { interfaces } = this.#lineageOf(graph, models, modelId);
    const [first, second] = path;
    if (second === undefined) return firstOf(interfaces, ({ properties }) => properties.get(first));
    const component = firstOf(interfaces, ({ components }) => components.get(first));
    if (component === undefined) return undefined;
    const within = this.#lineageOf(graph, models, component).interfaces;
    return firstOf(within, ({ properties }) => properties.get(second));
  }

  /** Whether a model is another or inherits from it, however far. */
  isOfModel(graph: string, model: string, ancestor: string): boolean {
    if (model === ancestor) return true;
    const models = this.#graphs.get(graph);
    return models !== undefined && this.#lineageOf(graph, models, model).ids.has(ancestor);
  }

  #change(name: string): Graph {
    let graph = this.#graphs.get(name);
    if (!graph) this.#graphs.set(name, graph = { models: new Map(), lineages: new Map() });
    graph.lineages.clear();
    return graph;
  }

  #lineageOf(name: string, graph: Graph, start: InterfaceReference): Lineage {
    if (typeof start !== "string") return this.#traceLineage(name, graph, start);
    let lineage = graph.lineages.get(start);
    // What is no model would be kept for every name that some twin or filter makes up.
    if (!lineage) {
      lineage = this.#traceLineage(name, graph, start);
      if (graph.models.has(start)) graph.lineages.set(start, lineage);
    }
    return lineage;
  }

  /** Depth first, each once: inheritance may be as deep as it likes, and meet itself. */
  #traceLineage(name: string, graph: Graph, start: InterfaceReference): Lineage {
    const ids = new Set<string>();
    const interfaces: DtdlInterface[] = [];
    const waiting: InterfaceReference[] = [start];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const id = idOf(next);
      if (id !== undefined && ids.has(id)) continue;
      if (id !== undefined) ids.add(id);
      const known = typeof next === "string" ? this.#read(name, graph, next) : undefined;
      const definition = typeof next === "string" ? known?.interface : next;
      if (definition) interfaces.push(definition);
      if (typeof start === "string" && definition?.extends.some((base) => idOf(base) === start)) {
        this.#report(name, start, "it extends itself");
      }
      waiting.push(...[...definition?.extends ?? [], ...known?.bases ?? []].reverse());
    }
    return { ids, interfaces };
  }

  #read(name: string, graph: Graph, id: string): ModelContent | undefined {
    const model = graph.models.get(id);
    if (!model) return undefined;
    const { body } = model;
    if (body) {
      model.content = this.#parse(name, id, body);
      model.body = undefined;
    }
    return model.content;
  }

  #parse(graph: string, id: string, body: JsonText): ModelContent {
    const definition = body.get("model");
    const onProblem = (problem: string) => this.#report(graph, id, problem);
    if (!definition) onProblem("it has no DTDL");
    return {
      interface: definition && readInterface(definition, onProblem),
      bases: body.get("bases")?.items().flatMap(({ string }) => string ?? []) ?? [],
    };
  }

  #report(graph: string, model: string, problem: string): void {
    const key = `${graph} ${model}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#log.warn(`Cannot understand all of the model ${model}: ${problem}`, { graph });
  }
}

function idOf(reference: InterfaceReference): string | undefined {
  return typeof reference === "string" ? reference : reference.id;
}

function firstOf<Value>(
  interfaces: readonly DtdlInterface[],
  find: (definition: DtdlInterface) => Value | undefined,
): Value | undefined {
  for (const definition of interfaces) {
    const found = find(definition);
    if (found !== undefined) return found;
  }
  return undefined;
}
