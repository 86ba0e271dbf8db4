/**
 * Where temporary files go. Root's go to `/tmp` whatever `TMPDIR` says: its server runs as another user, who must be
 * able to reach them.
 */
export function temporaryFolder(): string {
  if (Deno.uid() === 0) return "/tmp";
  return Deno.env.get("TMPDIR") ?? "/tmp";
}
