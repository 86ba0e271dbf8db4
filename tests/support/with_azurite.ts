import { AzuriteServer, hasAzurite } from "./azurite_server.ts";

/**
 * Defines tests that share an emulator, which is there while they run. Where it cannot be had, they are skipped under
 * the name of what they test.
 */
export async function withAzurite(
  what: string,
  define: (azurite: () => AzuriteServer) => void,
): Promise<void> {
  if (!await hasAzurite()) return Deno.test.ignore(`${what}, for want of Azurite`, () => {});
  let server: AzuriteServer | undefined;
  Deno.test.beforeAll(async () => void (server = await AzuriteServer.start()));
  Deno.test.afterAll(async () => await server?.[Symbol.asyncDispose]());
  define(() => {
    if (!server) throw new Error("Cannot use Azurite: it has not been started");
    return server;
  });
}
