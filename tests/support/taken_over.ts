import type { ParkingSettings, SinkSettings } from "../../src/deliver/sink_settings.ts";
import type { SqliteStore } from "../../src/deliver/store/sqlite_store.ts";
import type { StreamStart } from "../../src/sink/sink.ts";
import { BEGINNING, Delivery } from "./delivery.ts";
import { turn } from "./fake_clock.ts";
import { routerEvent } from "./router_events.ts";
import type { ScriptedSink } from "./scripted_sink.ts";

const PARKING: ParkingSettings = {
  parkAfter: 30_000,
  maxParkedBytes: 1_000_000,
  maxParkedAge: 1e9,
  whenFull: "block",
};
export const STREAM: StreamStart = { systemIdentifier: "7", slot: "s", timeline: 1, ancestors: [] };

/** Events of transactions, as the stream tells them: by commit LSN and ordinal, for one key each. */
export const TOLD = [
  [10, 1, "a"],
  [20, 1, "b"],
  [20, 9, "a"],
  [20, 2, "c"],
  [20, 3, "a"],
  [20, 8, "b"],
  [30, 2, "c"],
  [30, 1, "a"],
] as const;
export const IDS = TOLD.map(([lsn, ordinal, key]) => `${key}-${lsn}.${ordinal}`);

function settingsOf(
  sink: ScriptedSink,
  options: Readonly<Record<string, unknown>> = {},
  maxEvents = 1_000,
): SinkSettings & { sink: ScriptedSink } {
  return {
    name: "Sink0",
    kind: "scripted",
    sink,
    options,
    maxBatchSize: 2,
    retry: { initial: 200, max: 1_000, maxAttempts: 10 },
    queue: { maxEvents, maxBytes: 1e6 },
    parking: PARKING,
  };
}

/** A router with one sink before a stream, on what is left in a store. */
export async function started(
  store: Pick<SqliteStore, "outbox" | "checkpoints">,
  sink: ScriptedSink,
  queue?: number,
): Promise<Delivery> {
  const { outbox, checkpoints } = store;
  const delivery = new Delivery([settingsOf(sink, {}, queue)], { outbox, checkpoints });
  await delivery.dispatcher.resume(BEGINNING);
  delivery.dispatcher.begin({ ...STREAM }, false);
  await delivery.start();
  return delivery;
}

/** The stream tells events from one to another, those of the transaction at the first from its beginning. */
export async function tell({ dispatcher, clock }: Delivery, from: number, to: number): Promise<void> {
  for (const [told, [lsn, ordinal, key]] of TOLD.slice(from, to).entries()) {
    const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
    const event = routerEvent(key, 0, {
      id: `${key}-${lsn}.${ordinal}`,
      sequence: `${hex(lsn, 16)}-${hex(ordinal, 8)}-0000`,
    });
    dispatcher.enqueue({ ...event, position: { commitLsn: BigInt(lsn), ordinal } }, [{
      sink: 0,
      route: "r",
    }]);
    if (TOLD[from + told + 1]?.[0] !== lsn) dispatcher.settle(BigInt(lsn) + 1n);
  }
  await clock.advance(1);
}

/** Another configuration makes of the sink one that keeps its position, or one that does not. */
export async function become(
  delivery: Delivery,
  sink: ScriptedSink,
  options: string,
  queue?: number,
): Promise<void> {
  await delivery.dispatcher.become([settingsOf(sink, { options }, queue)], 1_000).done;
  await turn();
}
