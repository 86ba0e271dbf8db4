import { AsyncLocalStorage } from "node:async_hooks";
import { abortable } from "../../src/sink/abortable.ts";
import { SinkError } from "../../src/sink/sink_error.ts";
import { kustoError, type Task } from "./kusto_error.ts";

/** What a call of Microsoft's clients is made for. */
export interface Call {
  readonly task: Task;
  /** Aborts when the call is to stop, or has taken its time. */
  readonly signal: AbortSignal;
  /** The last failure of a request within the call, which the clients may keep to themselves. */
  failure: SinkError | undefined;
}

/** The clients' functions take no signal, and tell of some failures by a sentence: so the call goes with its context. */
const calls = new AsyncLocalStorage<Call>();

/** The call under way. */
export function currentCall(): Call {
  const call = calls.getStore();
  if (!call) throw new Error("Cannot send a request to Kusto: outside of a call");
  return call;
}

/**
 * What the clients give; throws a `SinkError`, at the latest after `timeout` milliseconds or as soon as the signal aborts.
 * No request of the call begins after that.
 */
export async function within<Result>(
  task: Task,
  timeout: number,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  // Not AbortSignal.any(): a signal that lives as long as the sink would gather one dependent for each call.
  const abort = new AbortController();
  const stop = () => abort.abort();
  const timer = setTimeout(stop, timeout);
  signal.addEventListener("abort", stop, { once: true });
  const call: Call = { task, signal: abort.signal, failure: undefined };
  try {
    signal.throwIfAborted();
    return await abortable(calls.run(call, work), abort.signal);
  } catch (error) {
    if (signal.aborted) throw new SinkError("retryable", `Cannot ${task.action}: stopped`);
    if (abort.signal.aborted) {
      throw new SinkError("retryable", `Cannot ${task.action}: no answer within ${timeout} ms`);
    }
    throw error instanceof SinkError ? error : call.failure ?? kustoError(error, task);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
