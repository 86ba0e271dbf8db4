import { createHash } from "node:crypto";
import type { Lsn } from "../postgres/lsn.ts";
import type { Transaction } from "../postgres/row_change.ts";
import type { EventFormat } from "./cloud_event.ts";

/** What an event's id says of it. */
export interface EventIdParts {
  readonly commitLsn: Lsn;
  /** 16 bits mixed from system identifier, database and commit time: they tell databases apart, and their pasts. */
  readonly mix: number;
  readonly ordinal: number;
  readonly format: EventFormat;
  /** Of the event among those of its change and format. */
  readonly index: number;
}

/** By the two bits that stand for them. */
const FORMATS: readonly EventFormat[] = ["EventNotification", "DataHistory", "Telemetry"];
const FORMAT_BITS: Readonly<Record<EventFormat, number>> = {
  EventNotification: 0,
  DataHistory: 1,
  Telemetry: 2,
};

/**
 * Makes the ids of one transaction's events: UUIDs of version 8 whose 122 free bits are, in order, 56 bits of commit
 * LSN, 16 bits of mix, 32 bits of ordinal, 2 bits of format and 16 bits of index. Version and variant cut them so:
 *
 *     LLLLLLLL-LLLL-8LLm-vmmo-oooooooxiiii
 *
 *     L  LSN: 48 bits, then 8 behind the version
 *     m  mix: its first 4 bits, then 12 behind the variant
 *     v  the variant, two bits: 10
 *     o  ordinal: its first 2 bits, then 30
 *     x  format: the last 2 bits of that group of 32
 *     i  index
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.8
 */
export class EventIds {
  /** Up to the third group, whole. */
  readonly #prefix: string;
  /** Variant and mix of the fourth group. */
  readonly #variantAndMix: number;

  /** @param lsn 56 bits in hexadecimal */
  private constructor(lsn: string, mix: number) {
    this.#prefix = `${lsn.slice(0, 8)}-${lsn.slice(8, 12)}-8${lsn.slice(12)}${hex(mix >>> 12, 1)}-`;
    this.#variantAndMix = 0x8000 | (mix & 0xfff) << 2;
  }

  static ofTransaction(
    systemIdentifier: string,
    database: string,
    { commitLsn, commitTime }: Transaction,
  ): EventIds {
    const mix = mixed(`${systemIdentifier} ${database} ${commitTime}`);
    return new EventIds(hex(commitLsn & 0xff_ffff_ffff_ffffn, 14), mix);
  }

  /**
   * The id of an event of a snapshot, which is the same wherever in the WAL the snapshot tells it: LSN, mix and ordinal are
   * bits of a hash.
   * @param row what names the row, and the snapshot
   */
  static inSnapshot(row: string, format: EventFormat, index: number): string {
    const hash = createHash("sha256").update(row).digest("hex");
    const ids = new EventIds(hash.slice(0, 14), parseInt(hash.slice(14, 18), 16));
    return ids.of(parseInt(hash.slice(18, 26), 16), format, index);
  }

  of(ordinal: number, format: EventFormat, index: number): string {
    const fourth = this.#variantAndMix | ordinal >>> 30;
    const fifth = (ordinal << 2 | FORMAT_BITS[format]) >>> 0;
    return `${this.#prefix}${hex(fourth, 4)}-${hex(fifth, 8)}${hex(index, 4)}`;
  }
}

/** Reads an id back; `undefined` if it is none of the router's. */
export function readEventId(id: string): EventIdParts | undefined {
  const [, first, second, third, fourth, fifth, index] =
    /^([0-9a-f]{8})-([0-9a-f]{4})-8([0-9a-f]{3})-([89ab][0-9a-f]{3})-([0-9a-f]{8})([0-9a-f]{4})$/i.exec(id) ??
      [];
  if (!first || !second || !third || !fourth || !fifth || !index) return undefined;
  const group4 = parseInt(fourth, 16);
  const group5 = parseInt(fifth, 16);
  const format = FORMATS[group5 & 3];
  return format && {
    commitLsn: BigInt(`0x${first}${second}${third.slice(0, 2)}`),
    mix: parseInt(third.slice(2), 16) << 12 | group4 >>> 2 & 0xfff,
    ordinal: ((group4 & 3) << 30 | group5 >>> 2) >>> 0,
    format,
    index: parseInt(index, 16),
  };
}

/** FNV-1a over UTF-16 code units, folded to 16 bits. */
function mixed(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 16 ^ hash) & 0xffff;
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
