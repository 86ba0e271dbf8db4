import { outcomeOf, retryAfterMs } from "../../src/sink/http_answer.ts";
import { SinkError, type SinkErrorKind } from "../../src/sink/sink_error.ts";

/** What a request is for. */
export interface Task {
  /** As in `Cannot <action>`. */
  readonly action: string;
  /** Whether it has rows in it. */
  readonly sendsRows: boolean;
}

/** What was answered, read to its end. */
interface KustoAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The `error` of its body. */
  readonly error: Readonly<Record<string, unknown>>;
}

/** The service said no. */
export class KustoRefusal extends SinkError {
  readonly status: number;

  constructor(kind: SinkErrorKind, message: string, { status, headers }: Omit<KustoAnswer, "error">) {
    const wait = kind === "retryable" ? retryAfterMs(headers, Date.now()) : undefined;
    super(kind, message, wait === undefined ? {} : { retryAfterMs: wait });
    this.status = status;
  }
}

/**
 * Classifies whatever Microsoft's clients throw. Nothing of theirs becomes the cause: their errors hold requests, with
 * rows, tokens and signatures.
 */
export function kustoError(error: unknown, task: Task): SinkError {
  if (error instanceof SinkError) return error;
  const { inner, isAxiosError, name, response, config, request } = Object(error);
  if (inner instanceof SinkError) return inner; // a token's, within the client's own
  if (isAxiosError) {
    return response ? serviceRefusal(answerOf(response), task) : unreachable(config?.url, error, task);
  }
  if (name === "RestError") {
    return response ? storageRefusal(response, task) : unreachable(request?.url, error, task);
  }
  return unreachable(undefined, error, task);
}

/** Whatever was not answered at all may be answered later, unless the program itself is not allowed to ask. */
function unreachable(url: string | undefined, error: unknown, { action }: Task): SinkError {
  const { message } = innermost(error);
  const [line = ""] = (/client error \(\w+\): (.*)$/s.exec(message)?.[1] ?? message).split("\n");
  const kind = /NotCapable|Requires net access/.test(line) ? "fatal" : "retryable";
  const what = url === undefined || !URL.canParse(url) ? action : `reach ${new URL(url).origin}`;
  // An address in it may have a signature.
  return new SinkError(kind, `Cannot ${what}: ${line.replace(/\?\S*/g, "")}`);
}

function innermost(error: unknown): { readonly message: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  return error.cause instanceof Error ? innermost(error.cause) : error;
}

/**
 * A refused command concerns no event, so nothing is taken until somebody changes it. Of refused rows the service's words
 * may repeat what is in them, so that only the error's type is told.
 */
function serviceRefusal(answer: KustoAnswer, { action, sendsRows }: Task): KustoRefusal {
  const { status, error } = answer;
  const textOf = (key: string) => typeof error[key] === "string" ? oneLine(error[key]) : undefined;
  const kind = kindOf(answer);
  const type = textOf("@type") ?? textOf("code");
  const words = textOf("@message") ?? textOf("message");
  const reason = sendsRows ? type === undefined ? "" : ` (${type})` : words === undefined ? "" : `: ${words}`;
  return new KustoRefusal(
    sendsRows || kind === "retryable" ? kind : "fatal",
    `Cannot ${action}: it answers ${status}${reason}${hint(status)}`,
    answer,
  );
}

/** Other storage, or a new signature for this one, may do better. */
function storageRefusal(response: RestResponse, { action }: Task): KustoRefusal {
  const headers = new Headers(response.headers.toJSON());
  const code = headers.get("x-ms-error-code");
  const { origin } = new URL(response.request.url);
  return new KustoRefusal(
    "retryable",
    `Cannot ${action} at ${origin}: it answers ${response.status}${code === null ? "" : ` (${code})`}`,
    { status: response.status, headers },
  );
}

/**
 * What stands in the way of every row, not of one, is told by the same status: a table, a mapping or a database that is
 * not there, streaming that is not switched on.
 */
const CONCERNS_ALL = /NotFound|NotEnabled|Disabled|Policy/i;

function kindOf({ status, error }: KustoAnswer): SinkErrorKind {
  const kind = outcomeOf(status);
  if (kind === "delivered") return "retryable"; // and yet no answer that can be understood
  if (kind !== "rejected") return kind;
  if (error["@permanent"] === false) return "retryable";
  return CONCERNS_ALL.test(`${error["@type"]} ${error["code"]}`) ? "fatal" : "rejected";
}

function hint(status: number): string {
  if (status === 401) return "; see its auth";
  return status === 403 ? "; see its auth, and the principal's roles in the database" : "";
}

/** Of axios, in whose terms the service's answers come. */
interface AxiosResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly data: unknown;
}

/** Of the storage clients. */
interface RestResponse {
  readonly status: number;
  readonly headers: { toJSON(): Record<string, string> };
  readonly request: { readonly url: string };
}

/**
 * `{"error":{"code":…,"message":…,"@type":…,"@message":…,"@permanent":…}}`
 * @see https://learn.microsoft.com/kusto/api/rest/response-http
 */
function answerOf({ status, headers, data }: AxiosResponse): KustoAnswer {
  const wait = headers["retry-after"];
  return {
    status,
    headers: new Headers(typeof wait === "string" ? { "retry-after": wait } : {}),
    error: Object(Object(data)["error"]),
  };
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
