import { ReplicationDecoder } from "./pgoutput/replication_decoder.ts";
import type { ReplicationStream } from "./replication/replication_stream.ts";
import type { Connected } from "./replication/stream_chunk.ts";
import type { Replicated } from "./row_change.ts";

/**
 * What the stream sends, decoded: changes of committed transactions, in an array for each read of the socket. A keepalive
 * between transactions is a position to confirm; inside of one it says nothing. Bytes that make no sense begin the
 * stream again, after what came before them.
 */
export async function* replicatedRows(
  stream: Pick<ReplicationStream, "messages" | "beginAgain">,
  signal: AbortSignal,
): AsyncGenerator<readonly (Replicated | Connected)[], void, void> {
  let decoder = new ReplicationDecoder();
  for await (const chunk of stream.messages(signal)) {
    switch (chunk.kind) {
      case "connected":
        decoder = new ReplicationDecoder();
        yield [chunk];
        break;
      case "payloads": {
        const rows: Replicated[] = [];
        try {
          decoder.decode(chunk.payloads, rows);
        } catch (error) {
          stream.beginAgain(error);
        }
        yield rows;
        break;
      }
      case "keepalive":
        if (!decoder.isInTransaction) yield [{ kind: "settle", lsn: chunk.walEnd, endsTransaction: false }];
        break;
      default:
        chunk satisfies never;
    }
  }
}
