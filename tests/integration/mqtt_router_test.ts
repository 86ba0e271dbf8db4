import assert from "node:assert/strict";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { hasMosquitto } from "../support/mosquitto.ts";
import { MqttFarEnd } from "../support/mqtt_far_end.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";

Deno.test({
  name: "a router from PostgreSQL to MQTT loses nothing and keeps order while it is killed and cut off",
  ignore: !hasMosquitto(),
}, async () => {
  const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
  const random = new SeededRandom(seed);
  await using database = await TwinDatabase.open({ settings: { wal_sender_timeout: "1s" } });
  await using farEnd = await MqttFarEnd.start({ settings: { max_queued_messages: 100_000 } });
  await using folder = await TemporaryFolder.make();
  const configuration = {
    source: { connectionString: database.server.connectionString },
    retry: { initial: "10ms", max: "100ms" },
    eventSinks: {
      mqtt: [{
        name: "Broker",
        broker: "127.0.0.1",
        port: farEnd.proxy.port,
        topic: "twins/{subject}",
        clientId: `router-${crypto.randomUUID()}`,
        qos: 2,
        maxInFlight: 3,
      }],
    },
  };
  const ledger = new Ledger(database.sql, random);
  let router = await RouterProcess.start(folder.path, configuration);
  try {
    await router.untilReadyIs(200);
    for (let round = 0; round < 4; round++) {
      const arrived = farEnd.reader.messages.length;
      farEnd.proxy.cutAfter("up", 2000 + random.below(10_000));
      await ledger.write(40);
      await farEnd.reader.received(arrived + 1 + random.below(30));
      await router.kill();
      router = await RouterProcess.start(folder.path, configuration);
    }
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);
  } finally {
    await router.kill();
  }
  await farEnd.reader.settled();
  const events = farEnd.reader.messages.map(({ payload }) => JSON.parse(payload) as DeliveredEvent);
  ledger.verify(events, `seed ${seed}`);
});
