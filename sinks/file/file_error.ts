import { SinkError } from "../../src/sink/sink_error.ts";

/** What the system says of paths and rights that are wrong until somebody changes them. */
const FATAL_CODES = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "EISDIR",
  "ENOTDIR",
  "EEXIST",
  "ENAMETOOLONG",
  "ELOOP",
  "EINVAL",
]);

/** Full disks, lost network drives and whatever else may pass are `retryable`. */
export function fileError(action: string, path: string, error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const fatal = FATAL_CODES.has(code) || error instanceof Deno.errors.NotCapable;
  const reason = error instanceof Error ? error.message : String(error);
  return new SinkError(fatal ? "fatal" : "retryable", `Cannot ${action} ${path}: ${reason}`, {
    cause: error,
  });
}
