import { z } from "zod";
import { choice, secret, text, url } from "./options.ts";

/** What `ClientCredentials` are configured by, under `auth`. */
export const oauth2 = z.strictObject({
  type: z.literal("oauth2").describe("OAuth 2.0 client credentials"),
  tokenUrl: url().describe("The authorization server's token endpoint"),
  clientId: text().describe("The client's identifier"),
  clientSecret: secret().describe("The client's secret"),
  clientAuthentication: choice(["basic", "post"])
    .describe("How the client's secret is sent: in the Authorization header or in the form")
    .prefault("basic"),
  scope: text().describe("Scopes, separated by spaces").exactOptional(),
  audience: text().describe("The audience, for servers that ask for one").exactOptional(),
});
