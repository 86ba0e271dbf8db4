import type { SupervisedRouter } from "./supervised_router.ts";

/** How often events of each sink were parked, as the routers have told. */
export async function parkingsOf(
  routers: readonly Pick<SupervisedRouter, "told">[],
): Promise<ReadonlyMap<string, number>> {
  const parkings = new Map<string, number>();
  for (const router of routers) {
    const log = await router.told();
    for (const [, sink = ""] of log.matchAll(/takes no events: they are parked.*"sink":"(\w+)"/g)) {
      parkings.set(sink, (parkings.get(sink) ?? 0) + 1);
    }
  }
  return parkings;
}
