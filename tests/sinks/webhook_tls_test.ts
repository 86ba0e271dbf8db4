import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { options } from "../../sinks/webhook/config.ts";
import { createSink } from "../../sinks/webhook/mod.ts";
import type { Sink } from "../../src/sink/sink.ts";
import { cloudEvent } from "../support/cloud_events.ts";
import { inRepository } from "../support/repository.ts";
import { deliver, failureOf } from "../support/sink_conformance.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

const NEVER = new AbortController().signal;

function fixture(name: string): string {
  return inRepository("tests/fixtures/tls", name);
}

function hook(url: string, other: Record<string, unknown> = {}, baseDirectory = "."): Sink {
  const context = { name: "Hook", baseDirectory, log: { info() {}, warn() {} } };
  return createSink(options.parse({ url, ...other }), context);
}

/** A far end that takes requests only of clients whose certificates the test's authority signed. */
class CertifiedReceiver implements AsyncDisposable {
  /** Whose requests came. */
  readonly clients: string[] = [];
  readonly #server: Server;

  private constructor() {
    const read = (name: string) => Deno.readTextFileSync(fixture(name));
    this.#server = createServer(
      { cert: read("server.crt"), key: read("server.key"), ca: read("ca.crt"), requestCert: true },
      ({ method, socket }, response) => {
        const { subject } = (socket as TLSSocket).getPeerCertificate();
        this.clients.push(`${method} ${subject.CN}`);
        response.writeHead(204, { connection: "close" }).end(); // so that each request makes its own handshake
      },
    );
  }

  static async start(port = 0): Promise<CertifiedReceiver> {
    const receiver = new CertifiedReceiver();
    receiver.#server.listen(port, "127.0.0.1");
    await once(receiver.#server, "listening");
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}/events`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#server.listening) await once(this.#server, "close");
  }
}

Deno.test("webhook trusts a far end's certificate only by an authority that it knows", async () => {
  const tls = {
    cert: await Deno.readTextFile(fixture("server.crt")),
    key: await Deno.readTextFile(fixture("server.key")),
  };
  await using receiver = new WebhookReceiver({ tls });
  await using stranger = hook(receiver.url);
  const error = await failureOf(stranger.connect(NEVER));
  assert.equal(error.kind, "retryable");
  assert.match(error.message, /certificate/);

  await using friend = hook(receiver.url, { caFile: fixture("ca.crt") });
  await friend.connect(NEVER);
  assert.deepEqual(await deliver(friend, [cloudEvent(1)]), []);
  assert.equal(receiver.posts.length, 1);
});

Deno.test("webhook shows its certificate to a far end that asks for one", async () => {
  await using receiver = await CertifiedReceiver.start();
  const files = { caFile: "ca.crt", certFile: "client.crt", keyFile: "client.key" };
  await using sink = hook(receiver.url, files, inRepository("tests/fixtures/tls"));
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  assert.deepEqual(receiver.clients, ["OPTIONS certificate_user", "POST certificate_user"]);
});

Deno.test("webhook is down when it shows no certificate to a far end that demands one", async () => {
  await using receiver = await CertifiedReceiver.start();
  await using sink = hook(receiver.url, { caFile: fixture("ca.crt") });
  const error = await failureOf(sink.connect(NEVER));
  assert.equal(error.kind, "fatal");
  assert.match(error.message, /CertificateRequired \(the client's certificate is refused\)$/);
  assert.deepEqual(receiver.clients, []);
});

/** A far end that answers whatever comes with a fatal alert of TLS. */
class AlertingServer implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #serving: Promise<void>;

  constructor(alert: number, port = 0) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#serving = this.#serve(Uint8Array.of(21, 3, 3, 0, 2, 2, alert));
  }

  get url(): string {
    return `https://127.0.0.1:${this.#listener.addr.port}/events`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }

  async #serve(record: Uint8Array): Promise<void> {
    for await (const connection of this.#listener) {
      await connection.read(new Uint8Array(16_384));
      await connection.write(record);
      connection.close();
    }
  }
}

// RFC 8446, section 6.
const ALERTS: [string, string, readonly number[]][] = [
  ["is down", "fatal", [42, 43, 44, 45, 46, 48, 49, 116]],
  ["tries again", "retryable", [40, 51, 70, 80]],
];

for (const [what, kind, alerts] of ALERTS) {
  Deno.test(`webhook ${what} when the far end sends one of the alerts ${alerts.join(", ")}`, async () => {
    for (const alert of alerts) {
      await using server = new AlertingServer(alert);
      await using sink = hook(server.url);
      const error = await failureOf(sink.connect(NEVER));
      assert.equal(error.kind, kind, error.message);
      assert.match(error.message, /received fatal alert/);
      assert.equal(/the client's certificate is refused/.test(error.message), kind === "fatal");
    }
  });
}

Deno.test("webhook connects with the certificate as it is now when the one before is taken no more", async () => {
  await using folder = await TemporaryFolder.make();
  const show = async (name: string) => {
    await Deno.copyFile(fixture(`${name}.crt`), `${folder.path}/shown.crt`);
    await Deno.copyFile(fixture(`${name}.key`), `${folder.path}/shown.key`);
  };
  await show("client");
  const before = await CertifiedReceiver.start();
  const { port } = before;
  const files = { caFile: fixture("ca.crt"), certFile: "shown.crt", keyFile: "shown.key" };
  await using sink = hook(before.url, files, folder.path);
  await sink.connect(NEVER);
  await before[Symbol.asyncDispose]();

  const expired = new AlertingServer(45, port);
  // Thrown, so that `connect` is called again; not final, since only that can tell.
  const error = await failureOf(sink.deliver([cloudEvent(1)], NEVER));
  assert.equal(error.kind, "retryable");
  assert.match(error.message, /CertificateExpired \(the client's certificate is refused\)$/);
  await expired[Symbol.asyncDispose]();

  await show("server_other_name");
  await using after = await CertifiedReceiver.start(port);
  await sink.connect(NEVER);
  assert.deepEqual(await deliver(sink, [cloudEvent(1)]), []);
  assert.deepEqual(after.clients, ["OPTIONS db.example.org", "POST db.example.org"]);
});

Deno.test("webhook names the certificates that it cannot use", async () => {
  const broken: [Record<string, unknown>, RegExp][] = [
    [{ caFile: "no-such-file.pem" }, /^Cannot use the certificates of .*no-such-file\.pem: No such file/],
    [{ certFile: "client.crt", keyFile: "lost.key" }, /client\.crt, .*lost\.key: No such file/],
    [{ certFile: "client.key", keyFile: "client.key" }, /No certificates found/],
    [{ certFile: "client.crt", keyFile: "server.key" }, /KeyMismatch/],
  ];
  for (const [files, message] of broken) {
    await using sink = hook("https://127.0.0.1:2/", files, inRepository("tests/fixtures/tls"));
    const error = await failureOf(sink.connect(NEVER));
    assert.equal(error.kind, "fatal");
    assert.match(error.message, message);
  }
});

Deno.test("webhook needs a certificate's key with it", () => {
  for (const files of [{ certFile: "a" }, { keyFile: "a" }]) {
    assert.equal(options.safeParse({ url: "https://example.com", ...files }).success, false);
  }
});
