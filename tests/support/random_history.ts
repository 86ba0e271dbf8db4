import { contains, deleted, inserted, type Step, Twin, updated } from "./replicated_builder.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** Properties as the history names them, with their values. */
export type PropertyValues = Readonly<Record<string, unknown>>;

/** Twins and relationships as they are at a time. */
export interface GraphState {
  /** By id. */
  readonly twins: Readonly<Record<string, { readonly modelId: string; readonly properties: PropertyValues }>>;
  /** By `<source>/<id>`. */
  readonly relationships: Readonly<
    Record<string, { readonly target: string; readonly properties: PropertyValues }>
  >;
}

interface Entity {
  readonly row: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const TWINS = 40;
const MODELS = ["dtmi:example:Room;1", "dtmi:example:Room;2"];
const NAMES = ["temperature", "name", "on", "shape", "size"];

/**
 * Twins and relationships that come, change and go at random, as the rows that tell of it; and, independently of what
 * anybody makes of those, what is there.
 */
export class RandomHistory {
  readonly #random: SeededRandom;
  readonly #twins = new Map<string, Entity>();
  readonly #relationships = new Map<string, Entity>();
  #rows = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Some changes, each of another twin or relationship. */
  change(count: number): Step[] {
    const steps = new Map<string, Step>();
    while (steps.size < count) {
      const [id, step] = this.#random.below(3) > 0
        ? this.#changeTwin(steps)
        : this.#changeRelationship(steps);
      if (step) steps.set(id, step);
    }
    return [...steps.values()];
  }

  state(): GraphState {
    return {
      twins: Object.fromEntries(
        [...this.#twins].map((
          [id, { body }],
        ) => [id, { modelId: modelOf(body), properties: propertiesOf(body) }]),
      ),
      relationships: Object.fromEntries(
        [...this.#relationships].map(([id, { body }]) => [
          id,
          { target: String(body["$targetId"]), properties: propertiesOf(body) },
        ]),
      ),
    };
  }

  #changeTwin(taken: ReadonlyMap<string, unknown>): [string, Step | undefined] {
    const id = `twin-${this.#random.below(TWINS)}`;
    if (taken.has(id)) return [id, undefined];
    const twin = this.#twins.get(id);
    const model = this.#random.below(10) === 0
      ? this.#random.pick(MODELS)
      : twin
      ? modelOf(twin.body)
      : MODELS[0];
    const body = { $dtId: id, ...this.#properties(twin?.body), $metadata: { $model: model } };
    const isInUse = [...this.#relationships].some(([key, { body }]) =>
      key.startsWith(`${id}/`) || body["$targetId"] === id
    );
    if (twin && !isInUse && this.#random.below(4) === 0) {
      this.#twins.delete(id);
      return [id, deleted(Twin, twin.row, twin.body)];
    }
    return [id, this.#put(this.#twins, id, Twin, body)];
  }

  #changeRelationship(taken: ReadonlyMap<string, unknown>): [string, Step | undefined] {
    if (this.#twins.size === 0) return ["", undefined];
    const existing = this.#random.below(2) === 0 && this.#relationships.size > 0
      ? this.#random.pick([...this.#relationships.keys()])
      : undefined;
    const source = this.#random.pick([...this.#twins.keys()]);
    // An id is unique for its source twin only.
    const id = existing ?? `${source}/r-${this.#random.below(3)}`;
    if (taken.has(id)) return [id, undefined];
    const relationship = this.#relationships.get(id);
    if (relationship && this.#random.below(3) === 0) {
      this.#relationships.delete(id);
      return [id, deleted(contains, relationship.row, relationship.body)];
    }
    const target = relationship?.body["$targetId"] ?? this.#random.pick([...this.#twins.keys()]);
    const [$sourceId, $relationshipId] = id.split("/");
    const identity = { $relationshipId, $sourceId, $targetId: target, $relationshipName: "contains" };
    return [
      id,
      this.#put(this.#relationships, id, contains, { ...identity, ...this.#properties(relationship?.body) }),
    ];
  }

  #put(entities: Map<string, Entity>, id: string, relation: typeof Twin, body: Entity["body"]): Step {
    const before = entities.get(id);
    const row = before?.row ?? ++this.#rows;
    entities.set(id, { row, body });
    return before ? updated(relation, row, before.body, body) : inserted(relation, row, body);
  }

  /** Those that were there, with some set, and some gone. */
  #properties(before: Entity["body"] = {}): Record<string, unknown> {
    const properties = Object.fromEntries(Object.entries(before).filter(([name]) => !name.startsWith("$")));
    for (let times = 1 + this.#random.below(3); times > 0; times--) {
      const name = this.#random.pick(NAMES);
      if (this.#random.below(5) === 0) delete properties[name];
      else properties[name] = this.#value();
    }
    if (this.#random.below(4) === 0) {
      properties["thermostat"] = {
        $metadata: {},
        Setpoint: this.#random.below(30),
        mode: this.#random.pick(["a", "b"]),
      };
    }
    return properties;
  }

  #value(): unknown {
    switch (this.#random.below(6)) {
      case 0:
        return this.#random.below(1000) / 10;
      case 1:
        return -this.#random.below(1e9);
      case 2:
        return this.#random.pick(["", "Größe", '"22"', "2026-01-01T00:00:00Z", "a\nb"]);
      case 3:
        return this.#random.below(2) === 0;
      case 4:
        return { roll: this.#random.below(3), list: [this.#random.below(3), null] };
      default:
        return [this.#random.below(2), "x"];
    }
  }
}

function modelOf(body: Entity["body"]): string {
  return (body["$metadata"] as { $model: string }).$model;
}

/** A component is opened. */
function propertiesOf(body: Entity["body"]): PropertyValues {
  const properties: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    if (name.startsWith("$")) continue;
    const { $metadata, ...members } = Object(value);
    if ($metadata === undefined) properties[name] = value;
    else for (const [member, inner] of Object.entries(members)) properties[`${name}.${member}`] = inner;
  }
  return properties;
}
