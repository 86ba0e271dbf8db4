import type { Sql } from "postgres";
import { createAgeShape, createEdgeLabel, createGraph, createVertexLabel } from "./age_shape.ts";
import { type AgtypeMap, float } from "./agtype.ts";
import { type NewRelationship, type NewTwin, TwinGraph } from "./twin_graph.ts";

export const FLOORS = ["floor-1", "floor-2"] as const;
export const ROOMS = ["room-101", "room-102", "room-103", "room-201", "room-202", "room-203"] as const;
export const PEOPLE = ["ada", "alan", "barbara", "edsger", "grace"] as const;

export type Room = (typeof ROOMS)[number];

/** DTMIs of the building's models. */
export const MODELS = {
  building: "dtmi:example:Building;1",
  floor: "dtmi:example:Floor;1",
  room: "dtmi:example:Room;1",
  airHandler: "dtmi:example:AirHandler;1",
  sensor: "dtmi:example:Sensor;1",
  person: "dtmi:example:Person;1",
} as const;

/** Makes the graph `digitaltwins` in a database that has none: a building as it is at half past six in the morning. */
export async function createBuilding(sql: Sql): Promise<TwinGraph> {
  await createAgeShape(sql);
  const graph = new TwinGraph(sql);
  await createGraph(sql, graph.name);
  for (const label of ["Twin", "Model"]) await createVertexLabel(sql, graph.name, label);
  // REPLICA IDENTITY is the router's to set.
  for (const name of ["contains", "feeds", "hasSensor", "locatedIn"]) {
    await createEdgeLabel(sql, graph.name, name);
  }
  await graph.transaction(async (building) => {
    for (const dtdl of INTERFACES) await building.putModel(dtdl);
    for (const twin of twins()) await building.putTwin(twin);
    for (const relationship of relationships()) await building.putRelationship(relationship);
  });
  return graph;
}

/** The floor that a room is on: `room-101` is on `floor-1`. */
function floorOf(room: Room): string {
  return `floor-${room.charAt("room-".length)}`;
}

/** The relationship of a room's air handler, one on each floor, to the room. */
export function feeds(room: Room): NewRelationship {
  const source = floorOf(room).replace("floor", "ahu");
  return {
    id: room.replace("room", "to"),
    name: "feeds",
    source,
    target: room,
    properties: { airflow: float(120) },
  };
}

/** The relationship of a person to the room that he or she is in. */
export function locatedIn(person: string, room: Room): NewRelationship {
  return { id: room.replace("room", "at"), name: "locatedIn", source: person, target: room };
}

/** Where each person is when the day begins. */
export function firstRoomOf(person: (typeof PEOPLE)[number]): Room {
  return ROOMS[PEOPLE.indexOf(person)] ?? ROOMS[0];
}

function twins(): NewTwin[] {
  return [
    {
      id: "building-1",
      model: MODELS.building,
      properties: { name: "Harbour House", outdoorTemperature: float(4) },
    },
    ...FLOORS.flatMap((floor, index) => [
      { id: floor, model: MODELS.floor, properties: { level: index + 1 } },
      { id: floor.replace("floor", "ahu"), model: MODELS.airHandler, properties: { running: true } },
    ]),
    ...ROOMS.map((room) => ({
      id: room,
      model: MODELS.room,
      properties: { temperature: float(18), co2: 420 },
    })),
    ...PEOPLE.map((id) => ({ id, model: MODELS.person, properties: { name: capitalized(id) } })),
  ];
}

function relationships(): NewRelationship[] {
  return [
    ...FLOORS.map((floor) => ({ id: `has-${floor}`, name: "contains", source: "building-1", target: floor })),
    ...ROOMS.map((room) => ({ id: `has-${room}`, name: "contains", source: floorOf(room), target: room })),
    ...ROOMS.map(feeds),
    ...PEOPLE.map((person) => locatedIn(person, firstRoomOf(person))),
  ];
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** DTDL version 3. */
const INTERFACES = [
  dtdl(MODELS.building, "Building", [
    property("name", "string"),
    property("outdoorTemperature", "double"),
    relationship("contains", MODELS.floor),
  ]),
  dtdl(MODELS.floor, "Floor", [property("level", "integer"), relationship("contains", MODELS.room)]),
  dtdl(MODELS.room, "Room", [
    property("temperature", "double"),
    property("co2", "integer"),
    relationship("hasSensor", MODELS.sensor),
  ]),
  dtdl(MODELS.airHandler, "Air handler", [
    property("running", "boolean"),
    relationship("feeds", MODELS.room, [property("airflow", "double")]),
  ]),
  dtdl(MODELS.sensor, "Sensor", [property("kind", "string"), property("battery", "double")]),
  dtdl(MODELS.person, "Person", [property("name", "string"), relationship("locatedIn", MODELS.room)]),
];

function dtdl(id: string, displayName: string, contents: readonly AgtypeMap[]) {
  return { "@id": id, "@type": "Interface", "@context": "dtmi:dtdl:context;3", displayName, contents };
}

function property(name: string, schema: string): AgtypeMap {
  return { "@type": "Property", name, schema };
}

function relationship(name: string, target: string, properties?: readonly AgtypeMap[]): AgtypeMap {
  return { "@type": "Relationship", name, target, properties };
}
