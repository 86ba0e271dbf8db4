import { outcomeOf, retryAfterMs } from "../../src/sink/http_answer.ts";
import { SinkError, type SinkErrorKind } from "../../src/sink/sink_error.ts";

/** What the service answered, read to its end. */
export interface KustoAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** The service said no. */
export class KustoRefusal extends SinkError {
  readonly status: number;

  constructor(kind: SinkErrorKind, message: string, { status, headers }: KustoAnswer, hint = "") {
    const wait = kind === "retryable" ? retryAfterMs(headers, Date.now()) : undefined;
    super(kind, `${message}${hint}`, wait === undefined ? {} : { retryAfterMs: wait });
    this.status = status;
  }
}

/** Of a command that was refused: what it says concerns no event, so nothing is taken until somebody changes it. */
export function commandRefusal(origin: string, answer: KustoAnswer): KustoRefusal {
  const kind = kindOf(answer) === "retryable" ? "retryable" : "fatal";
  const { message } = readError(answer.text);
  const reason = message === undefined ? "" : `: ${oneLine(message)}`;
  return new KustoRefusal(
    kind,
    `Cannot command ${origin}: it answers ${answer.status}${reason}`,
    answer,
    hint(answer),
  );
}

/** Of rows that were refused. The service's words may repeat what is in them, so that only the error's type is told. */
export function rowsRefusal(origin: string, table: string, answer: KustoAnswer): KustoRefusal {
  const { type, code } = readError(answer.text);
  const reason = type ?? code;
  return new KustoRefusal(
    kindOf(answer),
    `Cannot stream into ${table} at ${origin}: it answers ${answer.status}${
      reason ? ` (${oneLine(reason)})` : ""
    }`,
    answer,
    hint(answer),
  );
}

/**
 * What stands in the way of every row, not of one, is told by the same status: a table, a mapping or a database that is
 * not there, streaming that is not switched on.
 */
const CONCERNS_ALL = /NotFound|NotEnabled|Disabled|Policy/i;

function kindOf({ status, text }: KustoAnswer): SinkErrorKind {
  const kind = outcomeOf(status);
  if (kind === "delivered") return "retryable"; // and yet no answer that can be understood
  if (kind !== "rejected") return kind;
  const { type = "", code = "", permanent } = readError(text);
  if (permanent === false) return "retryable";
  return CONCERNS_ALL.test(type) || CONCERNS_ALL.test(code) ? "fatal" : "rejected";
}

function hint({ status }: KustoAnswer): string {
  if (status === 401) return "; see its auth";
  return status === 403 ? "; see its auth, and the principal's roles in the database" : "";
}

interface KustoErrorText {
  readonly message?: string | undefined;
  readonly type?: string | undefined;
  readonly code?: string | undefined;
  readonly permanent?: boolean | undefined;
}

/**
 * `{"error":{"code":…,"message":…,"@type":…,"@message":…,"@permanent":…}}`
 * @see https://learn.microsoft.com/kusto/api/rest/response-http
 */
function readError(text: string): KustoErrorText {
  let error: Record<string, unknown>;
  try {
    error = Object(Object(JSON.parse(text))["error"]);
  } catch {
    return {};
  }
  const textOf = (key: string) => typeof error[key] === "string" ? error[key] : undefined;
  const permanent = error["@permanent"];
  return {
    message: textOf("@message") ?? textOf("message"),
    type: textOf("@type"),
    code: textOf("code"),
    permanent: typeof permanent === "boolean" ? permanent : undefined,
  };
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
