import type { JsonText } from "../../twin/json_text.ts";

/** What a filter says. */
export type Expression =
  | { readonly kind: "constant"; readonly value: boolean }
  /** Of two terms or more. */
  | { readonly kind: "and" | "or"; readonly terms: readonly Expression[] }
  | { readonly kind: "not"; readonly term: Expression }
  | {
    readonly kind: "comparison";
    readonly operator: "=" | "!=" | "<" | "<=" | ">" | ">=";
    readonly left: Operand;
    readonly right: Operand;
  }
  | {
    readonly kind: "membership";
    readonly operator: "IN" | "NIN";
    readonly operand: Operand;
    readonly list: readonly Operand[];
  }
  | {
    readonly kind: "text";
    readonly function: "STARTS_WITH" | "ENDS_WITH" | "CONTAINS";
    readonly operand: Operand;
    readonly part: Operand;
  }
  | {
    readonly kind: "type";
    readonly function: "IS_NUMBER" | "IS_STRING" | "IS_BOOL" | "IS_OBJECT";
    readonly operand: Operand;
  }
  | { readonly kind: "defined"; readonly place: Place }
  | { readonly kind: "model"; readonly model: string; readonly exact: boolean };

/** What has a value. */
export type Operand = { readonly kind: "literal"; readonly value: Value } | Place;

/** Where in an event a value is to be found. */
export type Place =
  | { readonly kind: "attribute"; readonly name: string }
  /** Names of members and indexes of items, from the top of the body. */
  | { readonly kind: "body"; readonly path: readonly (string | number)[] };

/** A JSON value: strings and null are themselves; numbers keep their digits. What is missing is null. */
export type Value = string | JsonText | null;
