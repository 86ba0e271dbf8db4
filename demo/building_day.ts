import { type AgtypeMap, type Float, float } from "./agtype.ts";
import { feeds, firstRoomOf, locatedIn, MODELS, PEOPLE, type Room, ROOMS } from "./building.ts";
import type { Random } from "./random.ts";
import type { NewRelationship, TwinGraph } from "./twin_graph.ts";

/** What goes on in the building, one after another; chance decides where. */
const ROTA = [
  "warm",
  "move",
  "breathe",
  "warm",
  "ventilate",
  "sensor",
  "breathe",
  "weather",
  "move",
  "visitor",
] as const;

const MINUTES_PER_STEP = 4;
const SENSOR_KINDS = ["light", "motion", "sound", "window"] as const;
const VISITOR_NAMES = ["Annie", "Dennis", "Frances", "Ken", "Margaret", "Niklaus", "Radia", "Tony"] as const;

interface Air {
  temperature: number;
  co2: number;
}

interface Guest {
  readonly id: string;
  /** Ties the guest, a sensor or a visitor, to a room. */
  readonly tie: NewRelationship;
}

/**
 * A working day from half past six on: rooms warm up and cool, people meet and use up the air, sensors and visitors
 * come and go.
 */
export class BuildingDay {
  readonly #graph: TwinGraph;
  readonly #random: Random;
  readonly #air = new Map<Room, Air>(ROOMS.map((room) => [room, { temperature: 18, co2: 420 }]));
  readonly #airflows = new Map<Room, number>();
  readonly #whereabouts = new Map<string, Room>(PEOPLE.map((person) => [person, firstRoomOf(person)]));
  #sensor: Guest | undefined;
  #visitor: Guest | undefined;
  #steps = 0;
  #sensorsSoFar = 0;
  #visitorsSoFar = 0;

  constructor(graph: TwinGraph, random: Random) {
    this.#graph = graph;
    this.#random = random;
  }

  /** The next thing that goes on, in one transaction; returns how many twins and relationships it changed. */
  async step(): Promise<number> {
    const activity = ROTA[this.#steps++ % ROTA.length] ?? "warm";
    for (const [room, air] of this.#air) this.#passTime(room, air);
    switch (activity) {
      case "warm":
        return await this.#showTemperature(this.#random.choice(ROOMS));
      case "breathe":
        return await this.#showCo2(this.#random.choice([...this.#whereabouts.values()]));
      case "weather":
        return await this.#showWeather();
      case "ventilate":
        return await this.#ventilate();
      case "move":
        return await this.#move(this.#random.choice(PEOPLE));
      case "sensor":
        return await this.#sensorComesOrGoes();
      case "visitor":
        return await this.#visitorComesOrGoes();
      default:
        return activity satisfies never;
    }
  }

  #passTime(room: Room, air: Air): void {
    const occupants = [...this.#whereabouts.values()].filter((place) => place === room).length;
    const heating = this.#hour < 18 ? 21 : 17;
    air.temperature += 0.08 * (heating - air.temperature) + 0.01 * (this.#outdoors - air.temperature) +
      0.04 * occupants + this.#random.between(-0.15, 0.15);
    air.co2 += 18 * occupants - 0.1 * (air.co2 - 420) + this.#random.between(-4, 4);
  }

  get #hour(): number {
    return (6.5 + this.#steps * MINUTES_PER_STEP / 60) % 24;
  }

  /** Coldest at three in the morning, warmest at three in the afternoon. */
  get #outdoors(): number {
    return 8 - 5 * Math.cos((this.#hour - 3) / 24 * 2 * Math.PI);
  }

  async #showTemperature(room: Room): Promise<number> {
    return await this.#graph.updateTwin(room, { temperature: tenths(this.#airOf(room).temperature) });
  }

  async #showCo2(room: Room): Promise<number> {
    return await this.#graph.updateTwin(room, { co2: Math.round(this.#airOf(room).co2) });
  }

  async #showWeather(): Promise<number> {
    return await this.#graph.updateTwin("building-1", { outdoorTemperature: tenths(this.#outdoors) });
  }

  /** The stuffiest room gets more air. */
  async #ventilate(): Promise<number> {
    const [room] = [...ROOMS].sort((a, b) => this.#airOf(b).co2 - this.#airOf(a).co2);
    if (room === undefined) return 0;
    const needed = tenths(120 + Math.max(0, this.#airOf(room).co2 - 420) / 2);
    // A relationship that is written again unchanged makes no event.
    const airflow = needed.value === this.#airflows.get(room) ? tenths(needed.value + 0.1) : needed;
    this.#airflows.set(room, airflow.value);
    return await this.#graph.updateRelationship(feeds(room), { airflow });
  }

  /** A person goes to another room: one relationship ends, another begins. */
  async #move(person: string): Promise<number> {
    const from = this.#whereabouts.get(person);
    if (from === undefined) return 0;
    const to = this.#random.choice(ROOMS.filter((room) => room !== from));
    let changes = 1;
    await this.#graph.transaction(async (graph) => {
      changes += await graph.deleteRelationship(locatedIn(person, from));
      await graph.putRelationship(locatedIn(person, to));
    });
    this.#whereabouts.set(person, to);
    return changes;
  }

  async #sensorComesOrGoes(): Promise<number> {
    if (this.#sensor !== undefined) {
      const changes = await this.#leave(this.#sensor);
      this.#sensor = undefined;
      return changes;
    }
    const number = ++this.#sensorsSoFar;
    const id = `sensor-${number}`;
    const tie = { id: `has-${number}`, name: "hasSensor", source: this.#random.choice(ROOMS), target: id };
    const properties = {
      kind: this.#random.choice(SENSOR_KINDS),
      battery: tenths(this.#random.between(80, 100)),
    };
    const sensor = { id, tie };
    await this.#arrive(sensor, MODELS.sensor, properties);
    this.#sensor = sensor;
    return 2;
  }

  async #visitorComesOrGoes(): Promise<number> {
    if (this.#visitor !== undefined) {
      const changes = await this.#leave(this.#visitor);
      this.#visitor = undefined;
      return changes;
    }
    const id = `guest-${++this.#visitorsSoFar}`;
    const visitor = { id, tie: locatedIn(id, this.#random.choice(ROOMS)) };
    await this.#arrive(visitor, MODELS.person, { name: this.#random.choice(VISITOR_NAMES) });
    this.#visitor = visitor;
    return 2;
  }

  async #arrive(guest: Guest, model: string, properties: AgtypeMap): Promise<void> {
    await this.#graph.transaction(async (graph) => {
      await graph.putTwin({ id: guest.id, model, properties });
      await graph.putRelationship(guest.tie);
    });
  }

  async #leave(guest: Guest): Promise<number> {
    let changes = 0;
    await this.#graph.transaction(async (graph) => {
      changes += await graph.deleteRelationship(guest.tie);
      changes += await graph.deleteTwin(guest.id);
    });
    return changes;
  }

  #airOf(room: Room): Air {
    const air = this.#air.get(room);
    if (air === undefined) throw new RangeError(`Cannot tell the air of ${room}: no such room`);
    return air;
  }
}

function tenths(value: number): Float {
  return float(Math.round(value * 10) / 10);
}
