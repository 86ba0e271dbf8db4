import assert from "node:assert/strict";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import { closeSocket, openSocket } from "../../../src/postgres/connection/socket.ts";
import { FakePostgres } from "../../support/fake_postgres.ts";
import { freePort } from "../../../demo/postgres/free_port.ts";

const signal = new AbortController().signal;
const modes = ["prefer", "require", "verify-ca", "verify-full"] as const;

Deno.test("asks for TLS by an SSLRequest, and goes on without where prefer allows it", async () => {
  await using server = new FakePostgres(async (backend) => {
    assert.equal((await backend.readUntyped()).toHex(), "04d2162f");
    await backend.send("N");
    assert.equal(await backend.readMessage(), undefined);
  });
  const { socket, tls } = await openSocket(server.address, { sslMode: "prefer" }, signal);
  assert.equal(tls, undefined);
  await closeSocket(socket, new Uint8Array(0));
  for (const sslMode of ["require", "verify-ca", "verify-full"] as const) {
    await assert.rejects(
      openSocket(server.address, { sslMode }, signal),
      new RegExp(
        `^Error: Cannot use TLS with 127\\.0\\.0\\.1:\\d+: the server does not support it, and sslMode is ${sslMode}$`,
      ),
    );
  }
});

Deno.test("says nothing before the login when TLS is disabled", async () => {
  await using server = new FakePostgres(async (backend) => {
    assert.deepEqual(await backend.readMessage(), undefined);
  });
  const { socket } = await openSocket(server.address, { sslMode: "disable" }, signal);
  await closeSocket(socket, new Uint8Array(0));
});

Deno.test("refuses bytes that came before the encryption, whether the server agreed to it or not", async () => {
  for (const answer of ["S", "N"]) {
    await using server = new FakePostgres(async (backend) => {
      await backend.readUntyped();
      await backend.send(`${answer}R\0\0\0\u{8}\0\0\0\0`);
      await backend.readMessage();
    });
    for (const sslMode of ["require", "verify-full"] as const) {
      await assert.rejects(openSocket(server.address, { sslMode }, signal), (error) => {
        assert.ok(error instanceof ProtocolError);
        assert.match(error.message, /unencrypted bytes follow the answer/);
        return true;
      });
    }
  }
});

Deno.test("passes on nothing of an error that came without encryption", async () => {
  await using server = new FakePostgres(async (backend) => {
    await backend.readUntyped();
    await backend.send("E");
    await backend.readMessage();
  });
  await assert.rejects(
    openSocket(server.address, { sslMode: "require" }, signal),
    /Cannot use TLS with 127\.0\.0\.1:\d+: the server answered with an error$/,
  );
});

Deno.test("connects anew without TLS when a handshake fails and prefer allows it", async () => {
  const second = Promise.withResolvers<string | undefined>();
  await using server = new FakePostgres(async (backend, connectionNumber) => {
    if (connectionNumber === 1) return second.resolve((await backend.readMessage())?.type);
    await backend.readUntyped();
    await backend.send("S");
    await backend.send("this is not TLS");
  });
  const { socket, tls } = await openSocket(server.address, { sslMode: "prefer" }, signal);
  assert.equal(tls, undefined);
  await closeSocket(socket, new TextEncoder().encode("X\0\0\0\u{4}"));
  assert.equal(await second.promise, "X");
});

Deno.test("names the host in the handshake, for servers that serve several, unless it is an address", async () => {
  for (const [host, isNamed] of [["localhost", true], ["127.0.0.1", false]] as const) {
    const hello = Promise.withResolvers<string>();
    await using server = new FakePostgres(async (backend) => {
      await backend.readUntyped();
      await backend.send("S");
      hello.resolve(new TextDecoder("latin1").decode(await backend.readSome()));
    });
    const address = { host, port: server.address.port };
    await assert.rejects(openSocket(address, { sslMode: "require" }, signal), /^Error: Cannot use TLS with/);
    assert.equal((await hello.promise).includes(host), isNamed, host);
  }
});

Deno.test("does not go on without TLS for a file that is not there", async () => {
  await using server = new FakePostgres(async () => {});
  for (const sslMode of modes) {
    await assert.rejects(
      openSocket(server.address, { sslMode, sslRootCert: "/nowhere/ca.pem" }, signal),
      /Cannot read sslRootCert \/nowhere\/ca\.pem: ENOENT/,
    );
  }
  const notPem = new URL(import.meta.url).pathname;
  await assert.rejects(
    openSocket(server.address, { sslMode: "prefer", sslCert: notPem, sslKey: notPem }, signal),
    /Cannot read sslCert .*: it holds no CERTIFICATE in PEM format/,
  );
});

Deno.test("names who could not be reached, and why", async () => {
  const port = freePort();
  await assert.rejects(
    openSocket({ host: "127.0.0.1", port }, { sslMode: "prefer" }, signal),
    new RegExp(`^Error: Cannot connect to 127\\.0\\.0\\.1:${port}: connect ECONNREFUSED`),
  );
  await using server = new FakePostgres(async (backend) => void await backend.readUntyped());
  await assert.rejects(
    openSocket(server.address, { sslMode: "require" }, signal),
    /Cannot use TLS with 127\.0\.0\.1:\d+: the server closed the connection/,
  );
});

Deno.test("stops at an abort: before, while the server keeps silent, and in a handshake that hangs", async () => {
  const reason = new Error("enough");
  for (const answer of ["", "S"]) {
    for (const sslMode of modes) {
      const abort = new AbortController();
      await using server = new FakePostgres(async (backend) => {
        await backend.readUntyped();
        await backend.send(answer);
        abort.abort(reason);
        while (await backend.readMessage());
      });
      await assert.rejects(
        openSocket(server.address, { sslMode }, abort.signal),
        (error) => error === reason,
      );
      await assert.rejects(
        openSocket(server.address, { sslMode }, abort.signal),
        (error) => error === reason,
      );
    }
  }
});
