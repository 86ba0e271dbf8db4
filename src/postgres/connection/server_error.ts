import { ByteReader } from "../byte_reader.ts";

/** The fields of an ErrorResponse or NoticeResponse, by their one-letter codes. */
type Fields = ReadonlyMap<string, string>;

/** An error that the server reported: an ErrorResponse. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  /** SQLSTATE, such as `42704`. */
  readonly code: string;
  /** `ERROR`, `FATAL` or `PANIC`, whatever the server's language. */
  readonly severity: string;
  readonly detail?: string;
  readonly hint?: string;

  /** `action` is what failed because of it: `Cannot log in to db:5432 as "router"`. */
  constructor(body: Uint8Array, action?: string) {
    const fields = readFields(body);
    const message = fields.get("M") ?? "the server gives no reason";
    super(action === undefined ? message : `${action}: ${message}`);
    this.code = fields.get("C") ?? "XX000";
    this.severity = fields.get("V") ?? fields.get("S") ?? "ERROR";
    const detail = fields.get("D");
    if (detail !== undefined) this.detail = detail;
    const hint = fields.get("H");
    if (hint !== undefined) this.hint = hint;
  }
}

/** What a NoticeResponse says, for the log. */
export function readNotice(body: Uint8Array): { severity: string; code: string; message: string } {
  const fields = readFields(body);
  return {
    severity: fields.get("V") ?? fields.get("S") ?? "NOTICE",
    code: fields.get("C") ?? "00000",
    message: fields.get("M") ?? "",
  };
}

/**
 * ErrorResponse, NoticeResponse: (Byte1 code, String value)*, Byte1 zero.
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
function readFields(body: Uint8Array): Fields {
  const reader = new ByteReader(body);
  const fields = new Map<string, string>();
  for (let code = reader.uint8(); code !== 0; code = reader.uint8()) {
    fields.set(String.fromCharCode(code), reader.cString());
  }
  return fields;
}
