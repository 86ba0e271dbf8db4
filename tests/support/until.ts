/** How often a condition is looked at, in milliseconds. */
const INTERVAL = 20;

/**
 * Resolves when the condition holds; throws what it throws, or, after `timeoutMs`, an error that says what was waited
 * for. For what happens in another process; inside this one, await the event itself.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  awaited: string | (() => string),
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await condition()) {
    if (performance.now() > deadline) {
      throw new Error(`Waited ${timeoutMs} ms for ${typeof awaited === "string" ? awaited : awaited()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}
