import type { PostgresServer, StopMode } from "../../demo/embedded_postgres.ts";
import type { KafkaServer } from "../support/kafka_server.ts";
import type { MosquittoServer } from "../support/mosquitto_server.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { until } from "../support/until.ts";
import type { Reply } from "../support/webhook_receiver.ts";
import type { Direction, TcpProxy } from "../support/tcp_proxy.ts";
import { configurationFaults } from "./configuration_faults.ts";
import { parkingsOf } from "./parkings.ts";
import type { Fault, Lanes } from "./schedule.ts";
import type { SmallDisk } from "./small_disk.ts";
import type { SupervisedRouter } from "./supervised_router.ts";
import type { WallClock } from "./wall_clock.ts";
import { readMqtt, type World } from "./world.ts";

/** How long a PostgreSQL may take to stop before it is not asked any more. */
const LONGEST_STOP = 3_000;

/** How long it may take until events are parked, whatever else goes wrong meanwhile. */
const LONGEST_PARKING = 90_000;

/** Everything that can happen to a router in this world. */
export function faultsOf(world: World, routers: readonly SupervisedRouter[], random: SeededRandom): Lanes {
  const { kafka, mosquitto, disk, clock } = world;
  /** First one of these that lasts until the sink's events are parked. */
  const withOutage = (faults: readonly Fault[], outage: RegExp, sink: string): Fault[] => {
    const { name, inflict } = random.pick(faults.filter(({ name }) => outage.test(name)));
    return [...faults, {
      name: `${name} until events are parked`,
      isFirst: true,
      async inflict() {
        const undo = await inflict();
        return async () => {
          const hasParked = async () => (await parkingsOf(routers)).has(sink);
          try {
            await until(hasParked, `events of ${sink} to be parked`, LONGEST_PARKING);
          } finally {
            await undo();
          }
        };
      },
    }];
  };
  return {
    ...Object.fromEntries(routers.map((router) => [router.name, routerFaults(router)])),
    configuration: routers.flatMap((router) => configurationFaults(router, world)),
    PostgreSQL: postgresFaults(world.database.server),
    network: Object.entries(world.proxies).flatMap(([name, proxy]) => networkFaults(name, proxy, random)),
    webhook: withOutage(webhookFaults(world, random), /500$|nothing$|an end$/, "Hook"),
    ...(kafka && { Kafka: withOutage(kafkaFaults(kafka), /./, "Stream") }),
    ...(mosquitto && {
      MQTT: withOutage(mqttFaults(mosquitto, world, world.proxies["MQTT"] as TcpProxy), /./, "Broker"),
    }),
    ...(disk && { disk: [fullDisk(disk)] }),
    ...(clock && { clock: clockFaults(clock) }),
  };
}

function routerFaults(router: SupervisedRouter): Fault[] {
  const { name } = router;
  const killed = {
    name: `${name}: kill -9`,
    async inflict() {
      await router.kill();
      return () => router.start();
    },
  };
  return [killed, killed, {
    name: `${name}: SIGTERM`,
    async inflict() {
      await router.stop();
      return () => router.start();
    },
  }, {
    name: `${name}: SIGSTOP`,
    inflict() {
      router.signal("SIGSTOP");
      return () => router.signal("SIGCONT");
    },
  }];
}

function postgresFaults(server: PostgresServer): Fault[] {
  const stopped = (mode: StopMode): Fault => ({
    name: `PostgreSQL: stop ${mode}`,
    inflict() {
      const stopping = server.stop(mode);
      return async () => {
        // Clients may hold up a smart stop for ever, and a walsender that waits for its receiver a fast one.
        if (mode === "smart") void server.stop("fast");
        const patience = setTimeout(() => void server.stop("immediate"), LONGEST_STOP);
        await stopping;
        clearTimeout(patience);
        await server.start();
      };
    },
  });
  return [stopped("smart"), stopped("fast"), stopped("immediate"), {
    name: "PostgreSQL: kill -9",
    async inflict() {
      await server.kill("SIGKILL");
      return () => server.start();
    },
  }, {
    name: "PostgreSQL: SIGSTOP",
    async inflict() {
      await server.kill("SIGSTOP");
      return () => server.kill("SIGCONT");
    },
  }];
}

function networkFaults(name: string, proxy: TcpProxy, random: SeededRandom): Fault[] {
  const frozen = (...directions: Direction[]): Fault => ({
    name: `network: ${name} frozen ${directions.join(" and ")}`,
    inflict() {
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const direction of directions) proxy.hold(direction, promise);
      return () => resolve();
    },
  });
  return [frozen("up"), frozen("down"), frozen("up", "down"), {
    name: `network: ${name} reset`,
    inflict() {
      proxy.cut();
      return () => {};
    },
  }, {
    name: `network: ${name} reset in the middle`,
    inflict() {
      proxy.cutAfter(random.pick(["up", "down"]), 1 + random.below(20_000));
      return () => {
        for (const direction of ["up", "down"] as const) proxy.cutAfter(direction, Infinity);
      };
    },
  }];
}

function webhookFaults(world: World, random: SeededRandom): Fault[] {
  const refusals: Readonly<Record<string, () => Reply>> = {
    "500": () => 500,
    "429": () => ({ status: 429, headers: { "retry-after": "1" } }),
    "nothing": () => "hang",
    "an end": () => ({ raw: "" }),
    "garbage": () => ({ raw: "\x00\xffHTTP is what?\r\n\r\n" }),
    "half an answer": () => ({ raw: "HTTP/1.1 200 OK\r\ncontent-le" }),
    "500 now and then": () => random.below(6) === 0 ? 500 : 204,
    "nothing now and then": () => random.below(10) === 0 ? "hang" : 204,
  };
  return Object.entries(refusals).map(([name, refusal]) => ({
    name: `webhook: ${name}`,
    inflict() {
      world.refusal = refusal;
      return () => {
        world.refusal = undefined;
      };
    },
  }));
}

function kafkaFaults(kafka: KafkaServer): Fault[] {
  return [{
    name: "Kafka: kill -9",
    async inflict() {
      await kafka.stop();
      return () => kafka.restart();
    },
  }, {
    name: "Kafka: SIGSTOP",
    inflict() {
      kafka.pause();
      return () => kafka.resume();
    },
  }];
}

function mqttFaults(mosquitto: MosquittoServer, { mqttReaders }: World, proxy: TcpProxy): Fault[] {
  return [{
    name: "MQTT: stop",
    async inflict() {
      await mosquitto.stop();
      return () => mosquitto.start();
    },
  }, {
    name: "MQTT: kill -9",
    // A broker that is killed forgets what it has not passed on, and sessions; that is not the router's loss. So nothing
    // is on its way then, and nothing comes before there is another reader.
    async inflict() {
      const { target } = proxy;
      proxy.target = 1;
      proxy.cut();
      await mqttReaders.at(-1)?.settled();
      await mqttReaders.at(-1)?.[Symbol.asyncDispose]();
      await mosquitto.kill();
      return async () => {
        await mosquitto.start();
        mqttReaders.push(await readMqtt(mosquitto));
        proxy.target = target;
      };
    },
  }, {
    name: "MQTT: SIGSTOP",
    inflict() {
      mosquitto.freeze();
      return () => mosquitto.thaw();
    },
  }];
}

function fullDisk(disk: SmallDisk): Fault {
  return {
    name: "disk: full",
    async inflict() {
      await disk.fill();
      return () => disk.empty();
    },
  };
}

/** It is wrong for a while, as before somebody sets it, or after. */
function clockFaults(clock: WallClock): Fault[] {
  const offsets = { "3 minutes": 180, "2 hours": 7_200, "30 days": 2_592_000 };
  return Object.entries(offsets).flatMap(([name, seconds]) =>
    [seconds, -seconds].map((offset) => ({
      name: `clock: ${name} ${offset > 0 ? "forwards" : "back"}`,
      async inflict() {
        await clock.set(offset);
        return () => clock.set(0);
      },
    }))
  );
}
