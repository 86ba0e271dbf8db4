/** Says by its exit code whether the router of this machine is alive; its port is the one argument, default 8080. */
const port = Deno.args[0] ?? "8080";
try {
  const { ok } = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(4_000) });
  Deno.exit(ok ? 0 : 1);
} catch {
  Deno.exit(1);
}
