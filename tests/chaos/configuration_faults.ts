import type { Fault } from "./schedule.ts";
import type { SupervisedRouter } from "./supervised_router.ts";
import type { World } from "./world.ts";

/** What may stand in a configuration's file for a while, and is to make no difference to any event. */
export function configurationFaults(router: SupervisedRouter, { configuration }: World): Fault[] {
  const { eventSinks, eventRoutes } = configuration;
  const [hook, ...hooks] = eventSinks["webhook"] ?? [];
  const others: Readonly<Record<string, World["configuration"] | string>> = {
    "a sink's other setting": {
      ...configuration,
      eventSinks: { ...eventSinks, webhook: [{ ...hook, concurrency: 2 }, ...hooks] },
    },
    "one more sink": {
      ...configuration,
      eventSinks: { ...eventSinks, console: [{ name: "Extra" }] },
      eventRoutes: [...eventRoutes, { sinkName: "Extra" }],
    },
    "what is none": "events: [",
  };
  return Object.entries(others).map(([what, other]) => ({
    name: `${router.name}: configuration has ${what}`,
    async inflict() {
      await router.configure(other);
      return () => router.configure(configuration);
    },
  }));
}
