import { z } from "zod";
import { choice, duration, integer, path, secret, secretValues, text, url } from "../../src/sink/options.ts";

/** Header names that the sink or HTTP itself writes. */
const RESERVED = /^(ce-.*|content-type|content-length|transfer-encoding|connection|host)$/i;

function headerName() {
  return text({ pattern: /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, expected: "a header's name" })
    .refine((name) => !RESERVED.test(name), "is a header that the sink writes");
}

function headerValue() {
  return secret().refine(
    (value) => /^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/.test(value),
    "expected printable ASCII without space around it",
  );
}

/** May carry credentials, and a path or query that is one. */
function secretUrl(meaning: string) {
  const schema = url().describe(meaning);
  secretValues.add(schema, { secret: true });
  return schema;
}

const basic = z.strictObject({
  type: z.literal("basic").describe("User name and password"),
  username: text().describe("User name"),
  password: secret().describe("Password"),
});

const bearer = z.strictObject({
  type: z.literal("bearer").describe("A token"),
  token: headerValue().describe("The token").exactOptional(),
  tokenFile: path()
    .describe("A file that has the token; read again when it changes, so that it can be renewed from outside")
    .exactOptional(),
}).refine(
  (auth) => (auth.token === undefined) !== (auth.tokenFile === undefined),
  "expected either token or tokenFile",
);

const apiKey = z.strictObject({
  type: z.literal("apiKey").describe("A key in a header"),
  header: headerName().describe("The header").prefault("X-API-Key"),
  key: headerValue().describe("The key"),
});

const oauth2 = z.strictObject({
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

/** Each event sent to an HTTP endpoint. */
export const options = z.strictObject({
  url: secretUrl(
    "Where events are POSTed. A user name and password in it are sent as Basic authentication, unless `auth` says more",
  ),
  contentMode: choice(["structured", "binary"])
    .describe("CloudEvents as one JSON document, or attributes in headers and data in the body")
    .prefault("structured"),
  concurrency: integer({ min: 1, max: 1000 })
    .describe("Requests in flight at once; events of one partition key never are")
    .prefault(16),
  timeout: duration({ min: 1 })
    .describe("How long a request may take, its answer included")
    .prefault("30s"),
  headers: z.record(headerName(), headerValue(), {
    error: (issue) => issue.code === "invalid_key" ? issue.issues[0]?.message : "expected headers by name",
  })
    .describe("Headers of every request")
    .prefault({}),
  auth: z.discriminatedUnion("type", [basic, bearer, apiKey, oauth2], {
    error: "expected an object whose type is one of basic, bearer, apiKey, oauth2",
  }).describe("How the router proves who it is").exactOptional(),
  caFile: path()
    .describe("Certificates (PEM) of authorities to trust, besides the well-known ones")
    .exactOptional(),
});

export type WebhookOptions = z.output<typeof options>;
export type WebhookAuth = NonNullable<WebhookOptions["auth"]>;
