import assert from "node:assert/strict";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { type ReceivedRequest, WebhookReceiver } from "../support/webhook_receiver.ts";

/** A router whose sinks `Away` and `Well` are two receivers; `Away` is parked after 500 ms. */
function twoHooks(
  database: TwinDatabase,
  away: WebhookReceiver,
  well: WebhookReceiver,
  { store, timeout = "2s" }: { readonly store?: unknown; readonly timeout?: string } = {},
) {
  return {
    source: { connectionString: database.server.connectionString },
    ...(store !== undefined && { store }),
    queue: { maxEvents: 500 },
    retry: { initial: "50ms", max: "200ms" },
    parking: { parkAfter: "500ms" },
    eventSinks: {
      webhook: [
        { name: "Away", url: away.url, concurrency: 8, timeout },
        { name: "Well", url: well.url, concurrency: 8 },
      ],
    },
  };
}

const OUTAGES = ["answers 503", "does not answer"] as const;

for (const how of OUTAGES) {
  Deno.test(`one sink ${how} for a while at load: others wait for nothing of it, the slot moves on, and it gets everything in order`, async () => {
    await using database = await TwinDatabase.open();
    await using folder = await TemporaryFolder.make();
    let isAway = false;
    const back = Promise.withResolvers<void>();
    const taken: [ReceivedRequest[], ReceivedRequest[]] = [[], []];
    await using away = new WebhookReceiver({
      respond: async (request) => {
        if (!isAway) return keep(taken[0], request);
        if (how === "does not answer") await back.promise;
        return 503;
      },
    });
    await using well = new WebhookReceiver({ respond: (request) => keep(taken[1], request) });
    // No request ends by itself before the receiver is back.
    await using router = await RouterProcess.start(
      folder.path,
      twoHooks(database, away, well, { timeout: "10m" }),
    );
    await router.untilReadyIs(200);
    const load = new Load(database);
    const arrived = (index: 0 | 1) =>
      until(
        () => taken[index].length >= load.written && tellsOf(taken[index]).length === load.written,
        () => `${load.written} events to arrive at ${index === 0 ? "Away" : "Well"}`,
      );
    const parked = () => router.metric('twinrouter_parked_events{sink="Away"}');

    await load.write(2_000);
    await Promise.all([arrived(0), arrived(1)]);
    isAway = true;
    await load.write(2_000);
    await until(async () => (await parked() ?? 0) > 0, "it to be parked");
    await load.write(4_000);
    // Nobody has answered for the one; whatever waited for that would wait for ever.
    await arrived(1);
    await database.untilConfirmed(10_000);
    assert.equal(tellsOf(taken[0]).length, 2_000);
    const { status, body } = await router.readiness() ?? {};
    assert.equal(status, 200);
    const { degraded, parts } = JSON.parse(body ?? "");
    const part = parts.find(({ name }: { name: string }) => name === "sink.Away");
    assert.deepEqual([degraded, part.state, part.ready], [true, "parked", true]);
    assert.equal(part.facts.parkedEvents, 6_000);
    assert(part.facts.parkedBytes > 100_000, JSON.stringify(part));

    isAway = false;
    back.resolve();
    await load.write(2_000); // it is drained while more comes
    await until(async () => await parked() === 0, "the outbox to be empty");
    await database.untilConfirmed();
    assert.equal(await router.stop(), 0);

    for (const posts of taken) {
      const lastOf = new Map<string, number>();
      for (const { twin, n } of tellsOf(posts)) {
        assert.equal(n, (lastOf.get(twin) ?? 0) + 1, `${twin} in order, none of its states left out`);
        lastOf.set(twin, n);
      }
      assert.equal([...lastOf.values()].reduce((sum, n) => sum + n, 0), load.written);
    }
  });
}

for (const store of ["postgres", { sqlite: "./store.db" }]) {
  const place = typeof store === "string" ? store : "sqlite";
  Deno.test(`parked, killed, started again, drained: nothing is lost, ids and order are kept (${place})`, async () => {
    const seed = Number(Deno.env.get("SEED") ?? 20_261_126);
    const random = new SeededRandom(seed);
    await using database = await TwinDatabase.open({ settings: { wal_sender_timeout: "1s" } });
    await using folder = await TemporaryFolder.make();
    let isAway = true;
    const taken: ReceivedRequest[][] = [[], []];
    const respond = (index: number) => (request: ReceivedRequest) => {
      if (index === 0 && isAway) return 503;
      if (request.method === "POST") taken[index]?.push(request);
      return 204;
    };
    await using away = new WebhookReceiver({ respond: respond(0) });
    await using well = new WebhookReceiver({ respond: respond(1) });
    const configuration = twoHooks(database, away, well, { store });
    const ledger = new Ledger(database.sql, random);
    let router = await RouterProcess.start(folder.path, configuration);
    try {
      await until(
        async () => (await router.readiness())?.body.includes('"state": "streaming"') ?? false,
        "streaming",
      );
      for (let round = 0; round < 6; round++) {
        await ledger.write(60);
        if (round === 0) await router.untilReadyIs(200); // it is parked
        if (round === 3) isAway = false;
        if (round % 2 === 0) await database.untilConfirmed();
        await router.kill();
        router = await RouterProcess.start(folder.path, configuration);
      }
      await router.untilReadyIs(200);
      await ledger.write(20);
      await until(
        async () => (await router.metric('twinrouter_parked_events{sink="Away"}')) === 0,
        "the outbox to be empty",
      );
      await database.untilConfirmed();
      assert.equal(await router.stop(), 0);
    } finally {
      await router.kill();
    }
    for (const [index, posts] of taken.entries()) {
      const events = posts.map((post) => JSON.parse(post.body) as DeliveredEvent);
      ledger.verify(events, `${index === 0 ? "away" : "well"}, seed ${seed}`);
    }
  });
}

Deno.test("a router that takes over delivers what the one before has parked, in order, and nothing twice that it had", async () => {
  await using database = await TwinDatabase.open({ settings: { wal_sender_timeout: "2s" } });
  await using folders = await TemporaryFolder.make();
  let isAway = true;
  const taken: ReceivedRequest[][] = [[], []];
  await using away = new WebhookReceiver({ respond: (request) => isAway ? 503 : keep(taken[0], request) });
  await using well = new WebhookReceiver({ respond: (request) => keep(taken[1], request) });
  const configuration = twoHooks(database, away, well);
  const [one, two] = [`${folders.path}/one`, `${folders.path}/two`];
  for (const folder of [one, two]) await Deno.mkdir(folder);
  const ledger = new Ledger(database.sql, new SeededRandom(20_261_126));
  await using first = await RouterProcess.start(one, configuration);
  await until(
    async () => (await first.readiness())?.body.includes('"state": "streaming"') ?? false,
    "streaming",
  );
  await using second = await RouterProcess.start(two, configuration);
  await ledger.write(100);
  await first.untilReadyIs(200); // it is parked
  await database.untilConfirmed();
  await ledger.write(20);
  await database.untilConfirmed();
  const newest = taken[1]?.map(({ body }) => JSON.parse(body).sequence).toSorted().at(-1);
  await until(async () => {
    const [saved] = await database.sql`
      SELECT sequence FROM digitaltwins_eventing.checkpoints WHERE sink = 'Well'`;
    return saved?.sequence === newest;
  }, "it to be kept how far the other sink is");
  const before = taken[1]?.length;
  await first.kill();
  isAway = false;
  await until(
    async () =>
      (await second.metric('twinrouter_parked_events{sink="Away"}')) === 0 && (taken[0]?.length ?? 0) > 0,
    "the outbox to be empty",
  );
  assert.equal(taken[1]?.length, before, "nothing again");
  await ledger.write(20);
  await database.untilConfirmed();
  assert.equal(await second.stop(), 0);
  for (const [index, posts] of taken.entries()) {
    const events = posts.map((post) => JSON.parse(post.body) as DeliveredEvent);
    ledger.verify(events, index === 0 ? "away" : "well");
  }
});

function keep(taken: ReceivedRequest[] | undefined, request: ReceivedRequest): number {
  if (request.method === "POST") taken?.push(request);
  return 204;
}

/** Changes of 200 twins, each with a number that counts up. */
class Load {
  readonly #database: TwinDatabase;
  /** By twin. */
  readonly #counts = new Map<string, number>();
  written = 0;

  constructor(database: TwinDatabase) {
    this.#database = database;
  }

  /** So many changes, ten in a transaction, as fast as they can be written. */
  async write(changes: number): Promise<void> {
    for (const end = this.written + changes; this.written < end; this.written += 10) {
      const values = Array.from({ length: 10 }, (_, index) => {
        const twin = `twin-${(this.written + index) % 200}`;
        const count = (this.#counts.get(twin) ?? 0) + 1;
        this.#counts.set(twin, count);
        return { twin, count };
      });
      const json = JSON.stringify(values);
      if (values[0]?.count === 1) {
        await this.#database.sql`
          INSERT INTO digitaltwins."Twin" (properties)
          SELECT format('{"$dtId": "%s", "n": %s}', v ->> 'twin', v ->> 'count')::ag_catalog.agtype
          FROM json_array_elements(${json}::text::json) v`;
      } else {
        await this.#database.sql`
          UPDATE digitaltwins."Twin" t
          SET properties = format('{"$dtId": "%s", "n": %s}', v ->> 'twin', v ->> 'count')::ag_catalog.agtype
          FROM json_array_elements(${json}::text::json) v
          WHERE t.properties::jsonb ->> '$dtId' = v ->> 'twin'`;
      }
    }
  }
}

/** What posts tell, each event once, in the order in which it came. */
function tellsOf(posts: readonly ReceivedRequest[]): { readonly twin: string; readonly n: number }[] {
  const tells = new Map<string, { readonly twin: string; readonly n: number }>();
  for (const { id, ...tell } of posts.map(tellOf)) {
    if (!tells.has(id)) tells.set(id, tell);
  }
  return [...tells.values()];
}

function tellOf(
  { body }: ReceivedRequest,
): { readonly id: string; readonly twin: string; readonly n: number } {
  const { id, subject, data } = JSON.parse(body);
  return { id, twin: subject, n: data.n ?? data.patch.at(-1).value };
}
