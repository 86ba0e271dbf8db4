import assert from "node:assert/strict";
import { hasKafka } from "../support/kafka_binaries.ts";
import { KafkaServer } from "../support/kafka_server.ts";
import { createTopics, readCommitted } from "../support/kafka_topics.ts";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { beginNewTimeline } from "../support/new_timeline.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";

const TOPIC = "twins";
const CYCLES = 20;

/** A router that delivers exactly once, if not told otherwise, before a database that changes. */
async function opened(seed: number) {
  await using stack = new AsyncDisposableStack();
  const kafka = stack.use(await KafkaServer.start());
  await createTopics(kafka.client(), [TOPIC]);
  const database = stack.use(
    await TwinDatabase.open({ settings: { wal_sender_timeout: "1s", restore_command: "false" } }),
  );
  const random = new SeededRandom(seed);
  const configuration = (delivery = "exactly-once") => ({
    source: { connectionString: database.server.connectionString },
    parking: { parkAfter: "500ms" },
    retry: { initial: "50ms", max: "500ms" },
    eventSinks: {
      kafka: [{
        name: "Exact",
        brokerList: kafka.address("PLAINTEXT"),
        topic: TOPIC,
        securityProtocol: "PLAINTEXT",
        delivery,
        maxBatchSize: 3, // so that transactions of the database are cut by those of Kafka
      }],
    },
  });
  const owned = stack.move();
  const start = async (delivery?: string) => {
    const folder = owned.use(await TemporaryFolder.make());
    return owned.use(await RouterProcess.start(folder.path, configuration(delivery)));
  };
  const ledger = new Ledger(database.sql, random);
  /** Everything that was committed is there, once. */
  const verify = async () => {
    const events = (await readCommitted(kafka, TOPIC)).map(eventOf);
    const ids = new Set(events.map(({ id }) => id));
    assert.equal(ids.size, events.length, `${events.length - ids.size} repeats, seed ${seed}`);
    ledger.verify(events, `seed ${seed}`);
  };
  const dispose = () => owned.disposeAsync();
  return { start, configuration, kafka, database, random, ledger, verify, [Symbol.asyncDispose]: dispose };
}

Deno.test({
  name: "kill -9, twenty times under load, leaves neither gap nor repeat in Kafka",
  ignore: !hasKafka(),
  fn: async () => {
    await using test = await opened(Number(Deno.env.get("SEED") ?? 20_261_126));
    const { start, database, random, ledger } = test;
    let router = await start();
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await router.untilReadyIs(200); // The slot is there: from now on every commit counts.
      await ledger.write(5 + random.below(30));
      await router.kill();
      if (random.below(2) === 0) await ledger.write(random.below(10));
      router = await start();
    }
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);
    await test.verify();
  },
});

Deno.test({
  name: "a router that was thought dead is shut out of Kafka by the one that took over, until that has ended",
  ignore: !hasKafka(),
  fn: async () => {
    await using test = await opened(20_261_127);
    const { start, database, ledger } = test;
    const forgotten = await start();
    await forgotten.untilReadyIs(200);
    await ledger.write(200);
    Deno.kill(forgotten.pid, "SIGSTOP"); // with much on its way
    await ledger.write(50);
    const successor = await start();
    try {
      await successor.untilReadyIs(200); // once the database has given up the other's connection
    } finally {
      Deno.kill(forgotten.pid, "SIGCONT");
    }
    await ledger.write(50);
    await database.untilConfirmed();
    // When the slot is free again, so is the right to write to Kafka.
    await ledger.write(100);
    await successor.kill();
    await ledger.write(20);
    await database.untilConfirmed();
    assert.equal(await forgotten.stop(), 0);
    await test.verify();
  },
});

Deno.test({
  name: "a database that goes on by another timeline leaves neither gap nor repeat in Kafka",
  ignore: !hasKafka(),
  fn: async () => {
    await using test = await opened(20_261_128);
    const { start, database, ledger } = test;
    let router = await start();
    await router.untilReadyIs(200);
    for (let timeline = 2; timeline <= 4; timeline++) {
      await ledger.write(40);
      await beginNewTimeline(database);
      await ledger.write(10);
      if (timeline === 3) {
        await router.kill();
        router = await start();
      }
      await router.untilReadyIs(200);
    }
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);
    await test.verify();
  },
});

for (const way of ["restart", "reload"]) {
  Deno.test({
    name:
      `what is parked when a sink begins to deliver exactly once, by a ${way}, comes first; without gap or repeat`,
    ignore: !hasKafka(),
    fn: async () => {
      await using test = await opened(20_261_129);
      const { start, configuration, kafka, database, ledger } = test;
      let router = await start("at-least-once");
      const parked = () => router.metric('twinrouter_parked_events{sink="Exact"}');
      await router.untilReadyIs(200);
      await ledger.write(30);
      await database.untilConfirmed();
      await kafka.stop();
      await ledger.write(150);
      await until(async () => (await parked() ?? 0) > 0, "the sink to be parked");
      await ledger.write(150);
      await database.untilConfirmed();
      if (way === "reload") {
        await router.configure(configuration());
        await router.reload();
      } else {
        assert.equal(await router.stop(), 0);
        router = await start();
      }
      await ledger.write(30); // while there is no Kafka yet
      await until(async () => await router.readiness() !== undefined, "the router to serve");
      await until(async () => (await parked() ?? 0) > 300, "it to know what is parked");
      await kafka.restart();
      await ledger.write(100);
      await database.untilConfirmed();
      await until(async () => await parked() === 0, "what was parked to have left the outbox");
      await router.kill();
      await ledger.write(10);
      router = await start();
      await ledger.write(10);
      await database.untilConfirmed();
      assert.equal(await router.stop(), 0);
      await test.verify();
    },
  });
}

/** What Kafka's own consumer printed of a record. */
function eventOf(line: string): DeliveredEvent {
  const [headers = "", , value = ""] = line.split("\t");
  const attribute = (name: string) => new RegExp(`\\bce_${name}:([^,]*)`).exec(headers)?.[1] ?? "";
  return {
    id: attribute("id"),
    type: attribute("type"),
    subject: attribute("subject"),
    sequence: attribute("sequence"),
    data: JSON.parse(value),
  };
}
