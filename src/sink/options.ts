/** The kinds of value that a sink's options are made of. */
export * from "../config/values.ts";
