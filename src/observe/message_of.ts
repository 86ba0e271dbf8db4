/** What was thrown, as text for people: an error's message, or whatever else it was. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
