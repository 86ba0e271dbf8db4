import assert from "node:assert/strict";
import { join } from "node:path";
import { cloudEvents } from "../support/cloud_events.ts";
import { KustoFarEnd } from "../support/kusto_far_end.ts";
import { RESOURCE } from "../support/kusto_service.ts";
import { deliver, failureOf } from "../support/sink_conformance.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { until } from "../support/until.ts";

const NEVER = new AbortController().signal;

/** Sets environment variables for as long as it is not disposed of. */
function environment(variables: Readonly<Record<string, string>>): Disposable {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before) {
        value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
      }
    },
  };
}

/** Microsoft's library leaves its connections open. */
const UNTIDY = { sanitizeOps: false, sanitizeResources: false };

Deno.test("kusto gets in by a managed identity, as App Service gives its tokens", UNTIDY, async () => {
  await using farEnd = await KustoFarEnd.start();
  const asked: URL[] = [];
  const answers: Response[] = [];
  await using identities = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    assert.equal(request.headers.get("x-identity-header"), "h");
    asked.push(new URL(request.url));
    return answers.shift() ?? Response.json({
      access_token: farEnd.service.giveToken(),
      expires_on: `${Math.floor(Date.now() / 1000) + 3600}`,
      resource: "x",
      token_type: "Bearer",
    });
  });
  using _environment = environment({
    IDENTITY_ENDPOINT: `http://127.0.0.1:${identities.addr.port}/token`,
    IDENTITY_HEADER: "h",
  });
  await using sink = farEnd.sink({
    ingestion: "streaming",
    auth: { type: "managedIdentity", clientId: "c-1" },
  });
  answers.push(Response.json({ error: "invalid_request" }, { status: 400 }));
  const error = await failureOf(sink.connect(NEVER));
  assert.match(error.message, /^Cannot get a token for Kusto: /);
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, cloudEvents(3)), []);
  assert.equal((await farEnd.received()).length, 3);
  const last = asked.at(-1)?.searchParams;
  assert.equal(last?.get("resource"), RESOURCE);
  assert.equal(last?.get("client_id"), "c-1");
});

Deno.test("kusto gets in as whoever is logged in with az, and says so when nobody is", UNTIDY, async () => {
  await using farEnd = await KustoFarEnd.start();
  await using folder = await TemporaryFolder.make();
  using _environment = environment({ PATH: `${folder.path}:${Deno.env.get("PATH")}` });
  const az = join(folder.path, "az");
  const options = { ingestion: "streaming", auth: { type: "azureCli" } };

  await Deno.writeTextFile(az, "#!/bin/sh\necho 'Please run az login' >&2\nexit 1\n", { mode: 0o755 });
  await using nobody = farEnd.sink(options);
  const error = await failureOf(nobody.connect(NEVER));
  assert.equal(error.kind, "retryable");
  assert.match(error.message, /^Cannot get a token for Kusto: .*az login/);

  const token = JSON.stringify({
    accessToken: farEnd.service.giveToken(),
    expires_on: Math.floor(Date.now() / 1000) + 3600,
    expiresOn: "2099-01-01 00:00:00.000000",
    tokenType: "Bearer",
  });
  await Deno.writeTextFile(az, `#!/bin/sh\necho '${token}'\n`);
  await using somebody = farEnd.sink(options);
  await somebody.connect(NEVER);
  assert.deepEqual(await deliver(somebody, cloudEvents(3)), []);
  assert.equal((await farEnd.received()).length, 3);
});

Deno.test("kusto stops asking for a token when it is told to, whoever is asked", UNTIDY, async () => {
  await using farEnd = await KustoFarEnd.start();
  await using folder = await TemporaryFolder.make();
  using _environment = environment({ PATH: `${folder.path}:${Deno.env.get("PATH")}` });
  const asked = join(folder.path, "asked");
  const release = join(folder.path, "release");
  const script = `#!/bin/sh\ntouch ${asked}\nwhile [ ! -e ${release} ]; do sleep 0.02; done\n`;
  await Deno.writeTextFile(join(folder.path, "az"), script, { mode: 0o755 });
  await using sink = farEnd.sink({ auth: { type: "azureCli" } });
  const stop = new AbortController();
  const failure = failureOf(sink.connect(stop.signal));
  await until(() => Deno.stat(asked).then(() => true, () => false), "az to be asked");
  stop.abort();
  const error = await failure;
  await Deno.writeTextFile(release, "");
  assert.equal(error.kind, "retryable");
  assert.match(error.message, /^Cannot command http:.*: stopped$/);
  assert.equal(farEnd.service.requests.engine, 0);
});
