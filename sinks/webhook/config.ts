import { z } from "zod";
import {
  byteSize,
  choice,
  duration,
  integer,
  path,
  secret,
  secretValues,
  text,
  url,
} from "../../src/sink/options.ts";
import { oauth2 } from "../../src/sink/oauth2_options.ts";

/** Header names that the sink or HTTP itself writes. */
const RESERVED = /^(ce-.*|webhook-.*|content-type|content-length|transfer-encoding|connection|host)$/i;

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

/** `whsec_` and 24 to 64 bytes, or `whsk_` and the 32 of an Ed25519 key, with or without its public 32; in base64. */
const SIGNING_KEY =
  /^(whsec_[A-Za-z0-9+/]{32,86}={0,2}|whsk_[A-Za-z0-9+/]{43}=?|whsk_[A-Za-z0-9+/]{86}(==)?)$/;

function signingKey() {
  return secret().refine(
    (value) => SIGNING_KEY.test(value),
    "expected whsec_ and 24 to 64 bytes in base64, or whsk_ and an Ed25519 key in base64",
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

/** Each event sent to an HTTP endpoint. */
export const options = z.strictObject({
  url: secretUrl(
    "Where events are POSTed. A user name and password in it are sent as Basic authentication, unless `auth` says more",
  ),
  contentMode: choice(["structured", "binary", "batched"])
    .describe("An event as one JSON document, as headers and its data, or many events as a JSON array")
    .prefault("structured"),
  maxBytes: byteSize({ min: 1024 })
    .describe("Size of a request of many events, at most; one larger event goes alone")
    .prefault("1MiB"),
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
  certFile: path().describe("Certificate (PEM) that the router shows; with keyFile").exactOptional(),
  keyFile: path().describe("The certificate's key (PEM)").exactOptional(),
  signingKeys: z.array(signingKey(), { error: "expected a list of keys" })
    .min(1, "is empty; leave it out to sign nothing")
    .describe(
      "Keys that sign requests as Standard Webhooks says: whsec_… or whsk_…; several while they change",
    )
    .exactOptional(),
  validation: choice(["optional", "required", "off"])
    .describe(
      "Whether the endpoint must allow deliveries when it is asked (CloudEvents' handshake), may, or is not asked",
    )
    .prefault("optional"),
  origin: text({
    maxLength: 253,
    pattern: /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/,
    expected: "a name such as twins.example.com",
  })
    .describe("Name by which the endpoint is asked to allow deliveries")
    .prefault("twinrouter"),
  maxRequestsPerMinute: integer({ min: 1 })
    .describe("Requests a minute, at most; the endpoint is asked to allow so many, and may allow fewer")
    .exactOptional(),
}).refine((options) => (options.certFile === undefined) === (options.keyFile === undefined), {
  message: "expected both certFile and keyFile, or neither",
});

export type WebhookOptions = z.output<typeof options>;
export type WebhookAuth = NonNullable<WebhookOptions["auth"]>;
