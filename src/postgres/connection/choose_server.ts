import type { ConnectionOptions, HostAddress } from "./connection_options.ts";
import { openConnection } from "./open_connection.ts";

/** The first host that will do; everything else is then done on that one. Throws what the connection throws. */
export async function chooseServer(options: ConnectionOptions, signal: AbortSignal): Promise<HostAddress> {
  await using connection = await openConnection(options, {}, signal);
  return connection.address;
}
