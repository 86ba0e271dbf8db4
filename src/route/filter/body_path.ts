import type { JsonText } from "../../twin/json_text.ts";

/** Each item of an array; anything else itself. */
export const EVERY = Symbol("every");

/** From the top of a body: a member's name, an item's index, or `EVERY`. */
export type BodyPath = readonly (string | number | typeof EVERY)[];

/**
 * Whether anything that the path leads to passes. A name asks every item of an array, and of arrays within it; what is
 * missing is passed as undefined. Nesting costs memory, no stack.
 */
export function someAt(
  body: JsonText | undefined,
  path: BodyPath,
  passes: (found: JsonText | undefined) => boolean,
): boolean {
  const pending = [{ json: body, step: 0 }];
  for (let at = pending.pop(); at; at = pending.pop()) {
    let { json, step } = at;
    while (json && step < path.length && !isFork(json, path[step])) json = follow(json, path[step++]);
    if (json && step < path.length) {
      for (const item of json.items()) pending.push({ json: item, step });
    } else if (passes(json)) return true;
  }
  return false;
}

function isFork(json: JsonText, step: BodyPath[number] | undefined): boolean {
  return json.kind === "array" && typeof step !== "number";
}

function follow(json: JsonText, step: BodyPath[number] | undefined): JsonText | undefined {
  switch (typeof step) {
    case "string":
      return json.get(step);
    case "number":
      return json.items()[step];
    default:
      return json;
  }
}
