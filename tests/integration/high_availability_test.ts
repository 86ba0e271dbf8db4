import assert from "node:assert/strict";
import { type DeliveredEvent, Ledger } from "../support/ledger.ts";
import { RouterProcess } from "../support/router_process.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { type ReceivedRequest, WebhookReceiver } from "../support/webhook_receiver.ts";

/** Two routers with one slot, whose requests end in their names. */
class Pair implements AsyncDisposable {
  readonly database: TwinDatabase;
  readonly receiver: WebhookReceiver;
  readonly ledger: Ledger;
  readonly seed = Number(Deno.env.get("SEED") ?? 20_261_126);
  readonly #folders: TemporaryFolder[] = [];
  readonly #routers: RouterProcess[] = [];

  private constructor(database: TwinDatabase, receiver: WebhookReceiver) {
    this.database = database;
    this.receiver = receiver;
    this.ledger = new Ledger(database.sql, new SeededRandom(this.seed));
  }

  static async open(): Promise<Pair> {
    return new Pair(await TwinDatabase.open(), new WebhookReceiver());
  }

  async start(name: string, walSenderTimeout = "2s"): Promise<RouterProcess> {
    const folder = await TemporaryFolder.make();
    this.#folders.push(folder);
    const router = await RouterProcess.start(folder.path, {
      source: { connectionString: this.database.server.connectionString, walSenderTimeout },
      eventSinks: { webhook: [{ name: "Hook", url: `${this.receiver.url}/${name}`, concurrency: 1 }] },
    });
    this.#routers.push(router);
    await router.untilReadyIs(200);
    return router;
  }

  /** What this router has posted. */
  posts(name: string): ReceivedRequest[] {
    return this.receiver.posts.filter(({ path }) => path.endsWith(`/${name}`));
  }

  verify(): void {
    this.ledger.verify(this.receiver.posts.map(eventOf), `seed ${this.seed}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const router of this.#routers) await router[Symbol.asyncDispose]();
    for (const folder of this.#folders) await folder[Symbol.asyncDispose]();
    await this.receiver[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
  }
}

function eventOf({ body }: ReceivedRequest): DeliveredEvent {
  return JSON.parse(body);
}

async function roleOf(router: RouterProcess): Promise<string | undefined> {
  const answer = await router.readiness();
  if (answer?.status !== 200) return undefined;
  return JSON.parse(answer.body).parts.find(({ name }: { name: string }) => name === "replication").facts
    .role;
}

function untilRoleIs(router: RouterProcess, role: string): Promise<void> {
  return until(async () => await roleOf(router) === role, `a router that is ready, and ${role}`);
}

Deno.test("of two routers one works, and when it is killed the other goes on, long before PostgreSQL would miss it; nothing is lost", async () => {
  await using pair = await Pair.open();
  const { receiver, ledger } = pair;
  const first = await pair.start("a", "60s");
  const second = await pair.start("b", "60s");
  await untilRoleIs(first, "active");
  await untilRoleIs(second, "standby");
  receiver.respond = () => pair.posts("a").length < 25 ? 204 : "hang";
  await ledger.write(60);
  await receiver.received(25);
  assert.equal(pair.posts("b").length, 0);
  receiver.respond = () => 204;
  await first.kill();
  await receiver.received(() => pair.posts("b").length > 0, 30_000);
  await untilRoleIs(second, "active");
  await pair.database.untilConfirmed();
  assert.equal(await second.stop(), 0);
  pair.verify();
});

Deno.test("a router that was frozen delivers nothing once another has its slot, and when that is gone only what is new", async () => {
  await using pair = await Pair.open();
  const { receiver, ledger } = pair;
  const first = await pair.start("a");
  const second = await pair.start("b");
  await untilRoleIs(second, "standby");
  const gate = Promise.withResolvers<number>();
  receiver.respond = ({ path }) => path.endsWith("/b") || pair.posts("a").length < 10 ? 204 : gate.promise;
  await ledger.write(30);
  await receiver.received(10);
  await until(
    async () => (await first.metric('twinrouter_queue_events{sink="Hook"}') ?? 0) > 20,
    "events that wait",
  );

  Deno.kill(first.pid, "SIGSTOP");
  await ledger.write(10);
  await untilRoleIs(second, "active");
  await pair.database.untilConfirmed();
  gate.resolve(204); // which the frozen router reads first when it is thawed, and could go on with its queue
  Deno.kill(first.pid, "SIGCONT");
  await untilRoleIs(first, "standby");
  assert.equal(pair.posts("a").length, 10, "it has posted no more");

  await ledger.write(10);
  await pair.database.untilConfirmed();
  const newest = eventOf(pair.posts("b").at(-1) as ReceivedRequest).sequence;
  await second.kill();
  await untilRoleIs(first, "active");
  await ledger.write(10);
  await pair.database.untilConfirmed();
  assert.equal(await first.stop(), 0);
  const late = pair.posts("a").slice(10).map(eventOf);
  assert(late.length >= 10, "it has posted again");
  assert(late.every(({ sequence }) => sequence > newest), "and nothing of before");
  pair.verify();
});
