import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import type { ConnectionOptions } from "../../../src/postgres/connection/connection_options.ts";
import { openConnection } from "../../../src/postgres/connection/open_connection.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";
import { ServerError } from "../../../src/postgres/connection/server_error.ts";
import {
  authentication,
  copyData,
  errorResponse,
  type FakeBackend,
  FakePostgres,
  message,
  parameterStatus,
  readyForQuery,
  writableSession,
} from "../../support/fake_postgres.ts";
import { freePort } from "../../../demo/postgres/free_port.ts";

const signal = new AbortController().signal;
const decoder = new TextDecoder();

/** Opens a connection to a server that behaves so, and closes it again. */
async function connect(
  serve: (backend: FakeBackend) => Promise<void>,
  changes: Partial<ConnectionOptions> = { password: "pencil" },
): Promise<void> {
  await using server = new FakePostgres(serve);
  await using _connection = await openConnection(server.options(changes), {}, signal);
}

/** A server's side of SCRAM-SHA-256 up to its proof, for the password `pencil`. */
async function beginScram(backend: FakeBackend, iterations = "4096"): Promise<string> {
  await backend.readUntyped();
  await backend.send(authentication(10, "SCRAM-SHA-256\0\0"));
  const initial = decoder.decode((await backend.readMessage())?.body);
  const bareFirst = initial.slice(initial.indexOf("n=,"));
  const salt = Buffer.from("saltsalt");
  const nonce = `${bareFirst.slice("n=,r=".length)}and-mine`;
  const serverFirst = `r=${nonce},s=${salt.toString("base64")},i=${iterations}`;
  await backend.send(authentication(11, serverFirst));
  const final = decoder.decode((await backend.readMessage())?.body);
  const withoutProof = final.slice(0, final.lastIndexOf(",p="));
  const key = createHmac("sha256", pbkdf2Sync("pencil", salt, 4096, 32, "sha256")).update("Server Key")
    .digest();
  return createHmac("sha256", key).update(`${bareFirst},${serverFirst},${withoutProof}`).digest("base64");
}

const server = String.raw`127\.0\.0\.1:\d+ as "ann"`;

Deno.test("logs in with the names, options and parameters that it is given", async () => {
  const startup = Promise.withResolvers<string>();
  await using server = new FakePostgres(async (backend) => {
    startup.resolve(decoder.decode(await backend.readUntyped()));
    await backend.send(message("v", (body) => body.int32(0).int32(0)), authentication(0));
    await backend.send(message("N", (body) => body.character("M").cString("welcome").uint8(0)));
    await backend.send(parameterStatus("server_version", "15.20 (Debian 15.20-1)"));
    await backend.send(
      parameterStatus("in_hot_standby", "off"),
      parameterStatus("default_transaction_read_only", "off"),
    );
    await backend.send(message("K", (body) => body.int32(4711).int32(-1)), readyForQuery());
    assert.equal((await backend.readMessage())?.type, "X");
  });
  const options = server.options({ serverOptions: "-c geqo=off" });
  await using connection = await openConnection(options, { replication: "database" }, signal);
  assert.equal(
    await startup.promise,
    "\0\u{3}\0\0user\0ann\0database\0twins\0application_name\0test\0client_encoding\0UTF8\0" +
      "options\0-c geqo=off\0replication\0database\0\0",
  );
  assert.deepEqual(connection.address, server.address);
  assert.equal(connection.processId, 4711);
  assert.equal(connection.serverVersion, 150_020);
  assert.equal(connection.parameters.get("in_hot_standby"), "off");
});

Deno.test("answers for a password in clear text and by MD5", async () => {
  await connect(async (backend) => {
    await backend.readUntyped();
    await backend.send(authentication(3));
    assert.equal(decoder.decode((await backend.readMessage())?.body), "pencil\0");
    await backend.send(authentication(0), ...session());
  });
  await connect(async (backend) => {
    await backend.readUntyped();
    await backend.send(authentication(5, "salt"));
    const inner = createHash("md5").update("pencilann").digest("hex");
    const expected = `md5${createHash("md5").update(`${inner}salt`).digest("hex")}\0`;
    assert.equal(decoder.decode((await backend.readMessage())?.body), expected);
    await backend.send(authentication(0), ...session());
  });
});

Deno.test("logs in by SCRAM to a server that proves itself, and to no other", async () => {
  await connect(async (backend) => {
    await backend.send(authentication(12, `v=${await beginScram(backend)}`), authentication(0), ...session());
  });
  await assert.rejects(
    connect(async (backend) => {
      await beginScram(backend);
      await backend.send(
        authentication(12, `v=${Buffer.alloc(32).toString("base64")}`),
        authentication(0),
        ...session(),
      );
      await backend.readMessage();
    }),
    new RegExp(
      `^LoginError: Cannot log in to ${server}: the server's signature is wrong: it does not know the password$`,
    ),
  );
  await assert.rejects(
    connect(async (backend) => {
      await beginScram(backend);
      await backend.send(authentication(0), ...session());
      await backend.readMessage();
    }),
    new RegExp(`^LoginError: Cannot log in to ${server}: the server did not finish the SCRAM exchange$`),
  );
});

Deno.test("does not compute for a server that asks for endless iterations", async () => {
  await assert.rejects(
    connect(async (backend) => void await beginScram(backend, "2000000000")),
    /the server asks for 2000000000 SCRAM iterations, which is not from 1 to 10000000$/,
  );
});

Deno.test("names a method that it does not have", async () => {
  const methods: [Uint8Array, string][] = [
    [authentication(2), "asks for Kerberos V5, which is not supported"],
    [authentication(7), "asks for GSSAPI, which is not supported"],
    [authentication(9), "asks for SSPI, which is not supported"],
    [authentication(99), "asks for method 99, which is not supported"],
    [authentication(10, "OAUTHBEARER\0\0"), "offers only OAUTHBEARER, which is not supported"],
    [authentication(11, "r=x"), "went on with a SCRAM exchange that had not begun"],
  ];
  for (const [asked, expected] of methods) {
    await assert.rejects(
      connect(async (backend) => {
        await backend.readUntyped();
        await backend.send(asked);
        await backend.readMessage();
      }),
      new RegExp(`^LoginError: Cannot log in to ${server}: the server ${expected}$`),
    );
  }
});

Deno.test("says that a password is missing, and sends none", async () => {
  for (
    const asked of [authentication(3), authentication(5, "salt"), authentication(10, "SCRAM-SHA-256\0\0")]
  ) {
    await assert.rejects(
      connect(async (backend) => {
        await backend.readUntyped();
        await backend.send(asked);
        assert.equal(await backend.readMessage(), undefined);
      }, {}),
      new RegExp(
        `^LoginError: Cannot log in to ${server}: the server asks for a password and none is configured; set one`,
      ),
    );
  }
});

Deno.test("gives no password away when channel binding is required and the server does not bind", async () => {
  const asked: [Uint8Array, RegExp][] = [
    [authentication(0), /channel binding is required, and the server lets us in without it$/],
    [authentication(3), /channel binding is required, and the server asks for a password in clear text$/],
    [authentication(5, "salt"), /channel binding is required, and the server asks for an MD5 password$/],
    [
      authentication(10, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
      /channel binding is required, and the connection is not encrypted$/,
    ],
  ];
  for (const [request, expected] of asked) {
    await assert.rejects(
      connect(async (backend) => {
        await backend.readUntyped();
        await backend.send(request);
        assert.equal(await backend.readMessage(), undefined);
      }, { password: "pencil", channelBinding: "require" }),
      expected,
    );
  }
});

Deno.test("passes on the server's error with its SQLSTATE, in whatever language the server speaks", async () => {
  await assert.rejects(
    connect(async (backend) => {
      await backend.readUntyped();
      await backend.send(errorResponse("3D000", 'database "twins" does not exist'));
    }),
    (error) => {
      assert.ok(error instanceof ServerError);
      assert.match(
        error.message,
        new RegExp(`^Cannot log in to ${server}: database "twins" does not exist$`),
      );
      assert.deepEqual([error.code, error.severity, error.detail, error.hint], [
        "3D000",
        "FATAL",
        "the detail",
        "the hint",
      ]);
      return true;
    },
  );
});

Deno.test("believes nobody who skips authentication, says what does not belong there, or speaks another protocol", async () => {
  const answers: Uint8Array[][] = [
    session(),
    [authentication(0), message("D", (body) => body.int16(0))],
    [authentication(0), copyData("x")],
    [message("R")],
    [new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")],
    [new TextEncoder().encode("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")],
    [message("R", (body) => body.int32(10).bytes(new Uint8Array(100_000)))],
  ];
  for (const answer of answers) {
    await assert.rejects(
      connect(async (backend) => {
        await backend.readUntyped();
        await backend.send(...answer);
        await backend.readMessage();
      }),
      (error: Error) => {
        assert.ok(error instanceof ProtocolError || error.cause instanceof ProtocolError, String(error));
        return true;
      },
    );
  }
});

Deno.test("gives up on a server that keeps silent for longer than the connect timeout", async () => {
  await assert.rejects(
    connect(async (backend) => {
      await backend.readUntyped();
      await backend.readMessage();
    }, { connectTimeout: 50 }),
    /^Error: Cannot connect to 127\.0\.0\.1:\d+: no answer within 0\.05 s$/,
  );
});

Deno.test("stops at an abort with its reason", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  await using server = new FakePostgres(async (backend) => {
    await backend.readUntyped();
    abort.abort(reason);
    await backend.readMessage();
  });
  await assert.rejects(openConnection(server.options(), {}, abort.signal), (error) => error === reason);
});

Deno.test("takes the first host that is reached, lets it in and writes", async () => {
  await using closed = new FakePostgres(async (backend) => void await backend.readUntyped());
  await using standby = new FakePostgres((backend) =>
    sayUntilClosed(backend, { ...writableSession, in_hot_standby: "on" })
  );
  await using readOnly = new FakePostgres((backend) =>
    sayUntilClosed(backend, { ...writableSession, default_transaction_read_only: "on" })
  );
  await using writable = new FakePostgres((backend) => sayUntilClosed(backend, writableSession));
  await using other = new FakePostgres((backend) => sayUntilClosed(backend, writableSession));
  const dead = { host: "127.0.0.1", port: freePort() };
  const hosts = [dead, closed, standby, readOnly, writable, other].map((each) =>
    "address" in each ? each.address : each
  );

  const found = async (changes: Partial<ConnectionOptions>, pin?: (typeof hosts)[0]) => {
    await using connection = await openConnection(writable.options({ hosts, ...changes }), {}, signal, pin);
    return connection.address;
  };
  assert.deepEqual(await found({}), writable.address);
  assert.deepEqual(await found({ targetSessionAttrs: "primary" }), readOnly.address);
  assert.deepEqual(await found({ targetSessionAttrs: "any" }), standby.address);
  assert.deepEqual(await found({}, other.address), other.address);

  await assert.rejects(found({}, standby.address), /it is a standby, and targetSessionAttrs is read-write$/);
  await assert.rejects(found({ hosts: hosts.slice(0, 4) }), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.equal(error.errors.length, 4);
    for (
      const [index, reason] of [/ECONNREFUSED/, /was closed/, /standby/, /read-only by default/].entries()
    ) {
      const { port = 0 } = hosts[index] ?? {};
      assert.match(error.message, reason);
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}\\b`));
    }
    return true;
  });
});

Deno.test("asks a server that does not report whether it writes", async () => {
  for (
    const [recovery, readOnly, expected] of [["off", "off"], ["on", "off", /standby/], [
      "off",
      "on",
      /read-only/,
    ]] as const
  ) {
    const connecting = connect(async (backend) => {
      await backend.letIn({ server_version: "13.4" });
      assert.match(decoder.decode((await backend.readMessage())?.body), /pg_is_in_recovery/);
      const columns = ["recovery", "read_only"];
      await backend.send(
        message("T", (body) => {
          body.int16(2);
          for (const name of columns) body.cString(name).bytes(new Uint8Array(18));
          return body;
        }),
        message("D", (body) => {
          body.int16(2);
          for (const value of [recovery, readOnly]) body.counted(new TextEncoder().encode(value));
          return body;
        }),
        message("C", (body) => body.cString("SELECT 1")),
        readyForQuery(),
      );
      await backend.readMessage();
    });
    if (expected) await assert.rejects(connecting, expected);
    else await connecting;
  }
});

async function sayUntilClosed(
  backend: FakeBackend,
  parameters: Readonly<Record<string, string>>,
): Promise<void> {
  await backend.letIn(parameters);
  await backend.readMessage();
}

/** All that comes after AuthenticationOk. */
function session(): Uint8Array[] {
  return [
    ...Object.entries(writableSession).map(([name, value]) => parameterStatus(name, value)),
    message("K", (body) => body.int32(4711).int32(1)),
    readyForQuery(),
  ];
}
