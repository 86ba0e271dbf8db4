/** Milliseconds. Ctrl-C reaches the process from the terminal, and again from `deno task` and npm, which pass it on. */
const ECHO = 500;

/** Aborts at the first SIGINT or SIGTERM; one that comes after a moment ends the process as it is. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let toldAt: number | undefined;
  const stop = () => {
    if (toldAt !== undefined && performance.now() - toldAt > ECHO) Deno.exit(130);
    toldAt ??= performance.now();
    controller.abort(new DOMException("The router was told to stop", "AbortError"));
  };
  Deno.addSignalListener("SIGINT", stop);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  return controller.signal;
}
