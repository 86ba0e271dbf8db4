import type { Row } from "./failures.ts";

/** Rows as Kusto reads them: gzip of JSON, one row a line. */
export interface GzippedRows {
  readonly bytes: ArrayBuffer;
  /** Before compression. */
  readonly rawSize: number;
}

export async function gzipped(rows: readonly Row[]): Promise<GzippedRows> {
  const text = new Blob(rows.map(({ json }) => `${json}\n`));
  const stream = text.stream().pipeThrough(new CompressionStream("gzip"));
  return { bytes: await new Response(stream).arrayBuffer(), rawSize: text.size };
}
