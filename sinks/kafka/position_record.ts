import { SinkError } from "../../src/sink/sink_error.ts";
import type { StreamStart } from "../../src/sink/sink.ts";
import type { Position } from "./progress.ts";

/** What the topic of positions holds for a sink. */
export interface PositionRecord {
  /** Of the position. */
  readonly timeline: number;
  /** Absent before the first event. */
  readonly position?: Position;
  /** Which process has written it. */
  readonly holder: string;
  /** Of the last one with events, so that its process can tell whether it was committed. */
  readonly transaction: string;
}

export function writeRecord({ timeline, position, holder, transaction }: PositionRecord): string {
  const { lsn, last, sequence } = position ?? {};
  return JSON.stringify({
    version: 1,
    timeline,
    lsn: lsn?.toString(16),
    last,
    sequence,
    holder,
    transaction,
  });
}

export function readRecord(text: string): PositionRecord {
  try {
    const { version, timeline, lsn, last, sequence, holder, transaction } = JSON.parse(text);
    if (version !== 1) throw new Error(`its version is ${version}`);
    const position = lsn === undefined ? undefined : { lsn: BigInt(`0x${lsn}`), last, sequence };
    return { timeline, holder, transaction, ...(position && { position }) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new SinkError("fatal", `Cannot read the position in Kafka: ${reason}`, { cause: error });
  }
}

/**
 * The position as it is on the stream's timeline. One that lies beyond the point where its own timeline ended tells of
 * transactions that the surviving history lacks: it is brought back to that point.
 */
export function positionOn(
  { timeline, ancestors }: StreamStart,
  record: PositionRecord | undefined,
): Position | undefined {
  const position = record?.position;
  if (!record || !position || record.timeline === timeline) return position;
  const end = ancestors.find((ancestor) => ancestor.timeline === record.timeline)?.end;
  if (end === undefined) {
    throw new SinkError(
      "fatal",
      `Cannot go on from the position in Kafka: it is of timeline ${record.timeline}, which timeline ${timeline} of the ` +
        "server does not come from",
    );
  }
  return position.lsn < end ? position : { lsn: end, sequence: "" };
}
