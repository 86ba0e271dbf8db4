export type CaptureName = "api" | "basic" | "labels" | "messages" | "streamed" | "toast";

export const captureNames: readonly CaptureName[] = [
  "api",
  "basic",
  "labels",
  "messages",
  "streamed",
  "toast",
];

/** The recorded pgoutput messages of `tests/fixtures/captures`, in the order in which they were sent. */
export function readCapture(name: CaptureName): Uint8Array[] {
  const text = Deno.readTextFileSync(new URL(`../fixtures/captures/${name}.ndjson`, import.meta.url));
  return text.trimEnd().split("\n").map((line) => Uint8Array.fromBase64(JSON.parse(line).data));
}
