// The postmaster removes postmaster.pid as its last act. One that does not end within ten seconds is left no choice.
const script = `cat >/dev/null
tries=0
while pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) && [ -n "$pid" ]; do
  case $tries in
    0) kill -INT "$pid" || break;;
    100) kill -QUIT "$pid" || break;;
    150) break;;
  esac
  tries=$((tries + 1))
  sleep 0.1
done
cd /
rm -rf "$2"
`;

/**
 * The arguments of a `sh` that waits for its input to end, because the process at the other end closed it or died,
 * and then ends the server of `dataDirectory` and removes `temporaryFolder`.
 */
export function guardArguments(dataDirectory: string, temporaryFolder: string): string[] {
  return ["-c", script, "twinrouter-guard", dataDirectory, temporaryFolder];
}
