import { options } from "../../sinks/kusto/config.ts";
import { createSink } from "../../sinks/kusto/mod.ts";
import type { Sink } from "../../src/sink/sink.ts";
import type { AzuriteServer } from "./azurite_server.ts";
import { KustoService, type KustoWay } from "./kusto_service.ts";
import { readStructuredEvent, type ReceivedEvent } from "./received_event.ts";
import type { FarEnd } from "./sink_conformance.ts";

/** A table for whole events in a Kusto service. */
export class KustoFarEnd implements FarEnd {
  readonly service: KustoService;
  readonly warnings: { readonly message: string; readonly fields: unknown }[] = [];
  readonly #way: KustoWay;

  /** @param way what a far end that is slow is slow in */
  constructor(service: KustoService, way: KustoWay = "stream") {
    this.service = service;
    this.#way = way;
  }

  static async start(azurite?: AzuriteServer, way?: KustoWay): Promise<KustoFarEnd> {
    return new KustoFarEnd(await KustoService.open(azurite), way);
  }

  sink(other: Record<string, unknown> = {}): Sink {
    const log = {
      info() {},
      warn: (message: string, fields?: unknown) => void this.warnings.push({ message, fields }),
    };
    const context = { name: "Adx", baseDirectory: ".", log };
    const given = Object.entries({ ...this.service.options, rawTable: "Events", ...other });
    const present = given.filter(([, value]) => value !== undefined);
    return createSink(options.parse(Object.fromEntries(present)), context);
  }

  async received(): Promise<readonly ReceivedEvent[]> {
    return (await this.service.rows("Events")).map(({ line }) => readStructuredEvent(line));
  }

  stall(until: Promise<void>): void {
    this.service.fail(this.#way, { after: until });
  }

  async stalled(): Promise<number> {
    await this.service.seen(this.#way, 1);
    // Rows that are streamed are there as soon as they have been read; of what is queued, a message is yet to come.
    return this.#way === "stream" ? 5 : 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.service[Symbol.asyncDispose]();
  }
}
