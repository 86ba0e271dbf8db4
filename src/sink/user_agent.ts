import manifest from "../../deno.json" with { type: "json" };

/** How sinks name the program to their far ends. */
export const USER_AGENT = `twinrouter/${manifest.version}`;
