import type { CloudEvent } from "../../src/sink/sink.ts";
import { parseKeepingDigits } from "../../src/sink/parse_digits.ts";
import type { Span } from "./styled_text.ts";
import { printable, shorten } from "./terminal_text.ts";

/** What an event tells of, for its mark and colour. */
export type Action = "create" | "update" | "delete" | "gap" | "other";

/** Something that stays together on a line. */
export type Part = readonly Span[];

export interface Description {
  readonly action: Action;
  readonly parts: readonly Part[];
}

type Members = Readonly<Record<string, unknown>>;

/** A single value longer than this is cut, so that one does not push out all others. */
const VALUE_COLUMNS = 48;

/** What an event's body says, read from its shape, since a route may have renamed its type. */
export function describeData(event: CloudEvent): Description {
  const data = parse(event.data);
  if (!isObject(data)) return { action: "other", parts: [[value(data)]] };
  const action = actionOf(event.type, data.action);
  // Whole bodies first: a twin may have any property, such as one called patch.
  if (typeof data.$relationshipId === "string") {
    return { action, parts: [arrow(data.$relationshipName, data.$targetId), ...properties(data)] };
  }
  if (typeof data.$dtId === "string") {
    const model = isObject(data.$metadata) ? data.$metadata.$model : undefined;
    return { action, parts: [...modelName(model), ...properties(data)] };
  }
  if (isObject(data.model)) return { action, parts: definition(data.model) };
  if (Array.isArray(data.patch)) {
    return { action: "update", parts: data.patch.filter(isObject).map(operation) };
  }
  if (typeof data.propertyName === "string") return propertyChange(data.propertyName, data);
  if (typeof data.key === "string" && "serviceId" in data) {
    return propertyChange(data.key, {
      operation: ADT_OPERATIONS[`${data.action}`],
      propertyValue: data.value,
    });
  }
  if (typeof data.action === "string") {
    const target = data.target === undefined ? [] : [arrow(data.name, data.target)];
    return { action, parts: [...target, ...modelName(data.modelId)] };
  }
  return { action, parts: properties(data) };
}

/** How the property events of Azure Digital Twins call what happened. */
const ADT_OPERATIONS: Members = { Create: "Add", Update: "Replace", Delete: "Remove" };

function propertyChange(propertyName: string, { operation, propertyValue }: Members): Description {
  if (operation === "Remove") return { action: "delete", parts: [[minus(), name(propertyName)]] };
  return {
    action: operation === "Add" ? "create" : "update",
    parts: [assignment(propertyName, propertyValue)],
  };
}

function parse(json: string): unknown {
  try {
    return parseKeepingDigits(json);
  } catch {
    return json;
  }
}

/** From the type's last word; a lifecycle's is in its body. */
function actionOf(type: string, action: unknown): Action {
  const word = type.slice(type.lastIndexOf(".") + 1);
  switch (word === "Lifecycle" ? action : word) {
    case "Create":
    case "Upload":
      return "create";
    case "Update":
      return "update";
    case "Delete":
      return "delete";
    case "Gap":
      return "gap";
    default:
      return "other";
  }
}

/** One operation of a JSON Patch. */
function operation({ op, path, value }: Members): Part {
  const target = typeof path === "string" ? path : "";
  if (op === "remove") return [minus(), name(target)];
  if (op === "add") return [{ text: "+", style: "green" }, ...assignment(target, value)];
  return assignment(target, value);
}

/** What a relationship is called and where it leads. */
function arrow(relationshipName: unknown, target: unknown): Part {
  return [
    name(String(relationshipName ?? "?")),
    { text: " → ", style: "dim" },
    { text: printable(String(target ?? "?")), style: "bold" },
  ];
}

/** The last words of a model's id: `dtmi:example:Room;1` → `Room;1`. */
function modelName(id: unknown): Part[] {
  return typeof id === "string"
    ? [[{ text: printable(id.slice(id.lastIndexOf(":") + 1)), style: "dim" }]]
    : [];
}

/** What a DTDL interface has: the names of its contents. */
function definition(model: Members): Part[] {
  const contents = Array.isArray(model.contents) ? model.contents.filter(isObject) : [];
  return contents.map((content) => [name(String(content.name ?? "?"))]);
}

function properties(data: Members): Part[] {
  return Object.entries(data).filter(([key]) => !key.startsWith("$")).map(([key, value]) =>
    assignment(key, value)
  );
}

function assignment(key: string, assigned: unknown): Part {
  return [name(key), { text: " = ", style: "dim" }, value(assigned)];
}

function name(text: string): Span {
  return { text: printable(text) };
}

function minus(): Span {
  return { text: "-", style: "red" };
}

function value(value: unknown): Span {
  return { text: shorten(printable(JSON.stringify(value) ?? ""), VALUE_COLUMNS), style: "cyan" };
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
