// The number in postmaster.pid shows that the process is the server still. One that does not end within ten seconds
// is left no choice.
const SCRIPT = `while read -r line; do pid=$line; done
running() {
  [ -n "$pid" ] && [ "$(head -n 1 "$1/postmaster.pid" 2>/dev/null)" = "$pid" ] && kill -0 "$pid" 2>/dev/null
}
tries=0
while running "$1" && [ $tries -lt 150 ]; do
  case $tries in
    0) kill -INT "$pid";;
    100) kill -QUIT "$pid";;
  esac
  tries=$((tries + 1))
  sleep 0.1
done
cd /
rm -rf "$2"
`;

/**
 * The arguments of a `sh` that reads the postmaster's process id from its input, the newest counting, until that ends:
 * because the process at the other end closed it, or died of whatever. Then it ends the server of `dataDirectory`
 * and removes `temporaryFolder`.
 */
export function guardArguments(dataDirectory: string, temporaryFolder: string): string[] {
  return ["-c", SCRIPT, "twinrouter-guard", dataDirectory, temporaryFolder];
}
