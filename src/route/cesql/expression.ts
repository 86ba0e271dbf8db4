import type { CesqlFunction } from "./functions.ts";
import type { Value } from "./value.ts";

/** What a text in CloudEvents SQL says. */
export type Expression =
  | { readonly kind: "literal"; readonly value: Value }
  | { readonly kind: "attribute"; readonly name: string }
  | { readonly kind: "exists"; readonly name: string }
  | { readonly kind: "not" | "minus"; readonly operand: Expression }
  | {
    readonly kind: "call";
    /** Undefined where there is none of the name with that many arguments: an error, but only when it is called. */
    readonly called: CesqlFunction | undefined;
    readonly operands: readonly Expression[];
  }
  /** Operators that follow each other, as they are done: from the left to the right. A row however long costs no stack. */
  | { readonly kind: "row"; readonly first: Expression; readonly steps: readonly Step[] };

/** An operator and what stands to its right; on its left is what the row gives up to there. */
export type Step =
  | { readonly kind: "binary"; readonly operator: BinaryOperator; readonly right: Expression }
  | { readonly kind: "like"; readonly isNegated: boolean; readonly pattern: string }
  | { readonly kind: "in"; readonly isNegated: boolean; readonly set: readonly Expression[] };

export type BinaryOperator =
  | ("AND" | "OR" | "XOR")
  | ("=" | "!=" | "<" | "<=" | ">" | ">=")
  | ("+" | "-" | "*" | "/" | "%");
