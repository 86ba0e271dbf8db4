import assert from "node:assert/strict";
import fc from "fast-check";
import type { ConnectionOptions } from "../../../src/postgres/connection/connection_options.ts";
import {
  type ConnectionParameters,
  type Environment,
  resolveConnectionOptions,
} from "../../../src/postgres/connection/connection_string.ts";

/** What comes of no more than a user. */
const defaults: ConnectionOptions = {
  hosts: [{ host: "localhost", port: 5432 }],
  database: "ann",
  user: "ann",
  sslMode: "prefer",
  channelBinding: "prefer",
  targetSessionAttrs: "read-write",
  connectTimeout: 15_000,
  applicationName: "twinrouter",
};

function resolve(
  parameters: ConnectionParameters | string,
  environment: Environment = { USER: "ann" },
): ConnectionOptions {
  return resolveConnectionOptions(
    typeof parameters === "string" ? { connectionString: parameters } : parameters,
    environment,
  );
}

/** What most of the strings say. */
const hosts = [{ host: "db", port: 5432 }];
const login = { user: "bob", password: "secret", database: "twins" };

const read: readonly [string, Partial<ConnectionOptions>][] = [
  ["", {}],

  // URLs
  ["postgres://", {}],
  ["postgresql://db", { hosts }],
  [" postgres://db/twins\n", { hosts, database: "twins" }],
  ["POSTGRES://bob@db:6000", { hosts: [{ host: "db", port: 6000 }], user: "bob", database: "bob" }],
  ["postgres://bob:secret@db/twins", { hosts, ...login }],
  ["postgres://b%40b:p%2F%3A%20w@db/%E2%82%AC", { hosts, user: "b@b", password: "p/: w", database: "€" }],
  ["postgres://bob:p@ss:w@db", { hosts, user: "bob", database: "bob", password: "p@ss:w" }],
  ["postgres://bob:@db", { hosts, user: "bob", database: "bob" }],
  ["postgres://h1:1,h2:2,h3/twins", {
    hosts: [{ host: "h1", port: 1 }, { host: "h2", port: 2 }, { host: "h3", port: 5432 }],
    database: "twins",
  }],
  ["postgres://[::1]:6000,[fe80::1%25eth0]/", {
    hosts: [{ host: "::1", port: 6000 }, { host: "fe80::1%eth0", port: 5432 }],
  }],
  ["postgres://%2Fvar%2Frun%2Fpostgresql:6000/twins", {
    hosts: [{ host: "/var/run/postgresql", port: 6000 }],
    database: "twins",
  }],
  ["postgres:///twins?host=/var/run&port=6000", {
    hosts: [{ host: "/var/run", port: 6000 }],
    database: "twins",
  }],
  ["postgres:///?host=a,b&port=1,2", { hosts: [{ host: "a", port: 1 }, { host: "b", port: 2 }] }],
  ["postgres://db?user=ann@corp&sslmode=require", {
    hosts,
    user: "ann@corp",
    database: "ann@corp",
    sslMode: "require",
  }],
  ["postgres://db?ssl=true", { hosts, sslMode: "require" }],
  ["postgres://db?options=-c%20search_path%3Da&application_name=x+y", {
    hosts,
    serverOptions: "-c search_path=a",
    applicationName: "x+y",
  }],

  // libpq's keywords
  ["host=db port=6000 dbname=twins user=bob password=secret", {
    hosts: [{ host: "db", port: 6000 }],
    ...login,
  }],
  ["  host = db\n\tuser = 'b o\\'b\\\\' ", { hosts, user: "b o'b\\", database: "b o'b\\" }],
  ["password=a\\ b\\\\c=d", { password: "a b\\c=d" }],
  ["host=db password=secret;", { hosts, password: "secret;" }],
  ["password='' user=bob", { user: "bob", database: "bob" }],
  ["password='x;port=1;' port=2", { password: "x;port=1;", hosts: [{ host: "localhost", port: 2 }] }],
  ["host=a,b port=1,2", { hosts: [{ host: "a", port: 1 }, { host: "b", port: 2 }] }],
  ["host=a,b port=1", { hosts: [{ host: "a", port: 1 }, { host: "b", port: 1 }] }],
  ["host=a,,::1 port=1,,3", {
    hosts: [{ host: "a", port: 1 }, { host: "localhost", port: 5432 }, { host: "::1", port: 3 }],
  }],
  ["host=/tmp,db", { hosts: [{ host: "/tmp", port: 5432 }, { host: "db", port: 5432 }] }],
  ["hostaddr=10.0.0.1", { hosts: [{ host: "10.0.0.1", port: 5432 }] }],
  ["host=db hostaddr=10.0.0.1", { hosts }],
  ["sslmode=verify-full sslrootcert=/ca.pem sslcert=/c.pem sslkey=/k.pem", {
    sslMode: "verify-full",
    sslRootCert: "/ca.pem",
    sslCert: "/c.pem",
    sslKey: "/k.pem",
  }],
  ["sslmode=require sslrootcert=ca.pem", { sslMode: "verify-ca", sslRootCert: "ca.pem" }],
  ["sslmode=prefer sslrootcert=ca.pem", { sslMode: "prefer", sslRootCert: "ca.pem" }],
  ["sslrootcert=system", { sslMode: "verify-full", sslRootCert: "system" }],
  ["sslmode=allow", {}],
  ["sslmode=disable", { sslMode: "disable" }],
  ["sslcert=/both.pem", { sslCert: "/both.pem", sslKey: "/both.pem" }],
  ["channel_binding=require", { channelBinding: "require" }],
  ["target_session_attrs=any", { targetSessionAttrs: "any" }],
  ["target_session_attrs=primary", { targetSessionAttrs: "primary" }],
  ["connect_timeout=3", { connectTimeout: 3000 }],
  ["connect_timeout=0", { connectTimeout: Infinity }],
  ["passfile=/pass", { pgpassFile: "/pass" }],
  [
    "keepalives=1 sslsni=0 gssencmode=disable client_encoding=UTF8 replication=database tcp_user_timeout=1",
    {},
  ],

  // .NET
  ["Host=db;Port=6000;Database=twins;Username=bob;Password=secret;SSL Mode=Require", {
    hosts: [{ host: "db", port: 6000 }],
    sslMode: "require",
    ...login,
  }],
  ["Server=db;User Id=bob;Pwd=secret;DB=twins;", { hosts, ...login }],
  ["host=db;port=6000;", { hosts: [{ host: "db", port: 6000 }] }],
  ["host=db;", { hosts }],
  ["Host=db", { hosts }],
  ["user id=bob", { user: "bob", database: "bob" }],
  ["HOST = db ;; UserName = bob ; ", { hosts, user: "bob", database: "bob" }],
  [`Host=db;Password="a;b""c'd";Username='b;o''b'`, {
    hosts,
    user: "b;o'b",
    database: "b;o'b",
    password: `a;b"c'd`,
  }],
  ["Host=db;Password=a=b==", { hosts, password: "a=b==" }],
  ["Host=h1:1,h2,[::1]:3,::2;Port=9", {
    hosts: [{ host: "h1", port: 1 }, { host: "h2", port: 9 }, { host: "::1", port: 3 }, {
      host: "::2",
      port: 9,
    }],
  }],
  ["Host=/var/run/postgresql;Username=bob", {
    hosts: [{ host: "/var/run/postgresql", port: 5432 }],
    user: "bob",
    database: "bob",
  }],
  ["Host=db;SSL Mode=VerifyFull;Root Certificate=/ca.pem;SSL Certificate=/c.pem;SSL Key=/k.pem", {
    hosts,
    sslMode: "verify-full",
    sslRootCert: "/ca.pem",
    sslCert: "/c.pem",
    sslKey: "/k.pem",
  }],
  ["Host=db;SslMode=VerifyCA", { hosts, sslMode: "verify-ca" }],
  ["Host=db;SSL Mode=Require;Trust Server Certificate=true", { hosts, sslMode: "require" }],
  ["Host=db;SSL Mode=Allow", { hosts }],
  ["Host=db;Target Session Attributes=PreferPrimary;Channel Binding=Disable;Timeout=7", {
    hosts,
    targetSessionAttrs: "primary",
    channelBinding: "disable",
    connectTimeout: 7000,
  }],
  ["Host=db;Target Session Attributes=read-write;Application Name=My App;Options=-c geqo=off;Passfile=/p", {
    hosts,
    applicationName: "My App",
    serverOptions: "-c geqo=off",
    pgpassFile: "/p",
  }],
  [
    "Host=db;Pooling=true;Maximum Pool Size=20;MinPoolSize=1;Keepalive=30;Search Path=ag_catalog,public;" +
    "Include Error Detail=true;Command Timeout=60;Multiplexing=false;Check Certificate Revocation=False",
    { hosts },
  ],
];

Deno.test("reads URLs, libpq's keywords and .NET's connection strings", () => {
  for (const [text, expected] of read) {
    assert.deepEqual(resolve(text), { ...defaults, ...expected }, text);
  }
});

/** In each, `s3cret` is a password or a part of one. */
const refused: readonly [string, RegExp][] = [
  // URLs
  ["postgres://bob:s3cret@db?sslmod=require", /unknown setting 'sslmod'/],
  ["postgres://bob:x/s3cret@db/twins", /must be percent-encoded/],
  ["postgres://bob:12?s3cret@db", /not of the form name=value/],
  ["postgres://bob:s3cret%@db", /percent-encoding of the password is broken/],
  ["postgres://bob:s3cret", /host is not of the form/],
  ["postgres://bob:s3cret@::1/twins", /host is not of the form/],
  ["postgres://bob:s3cret@db:99999", /port is not a number/],
  ["postgres://db?password=s3cret&x", /not of the form name=value/],
  ["postgres://s3 cret,db", /neither a name, an address nor a folder/],
  ["postgress://bob:s3cret@db", /neither a postgres:\/\/ URL nor/],
  ["postgress://bob:s3cret@db?sslmode=require", /neither a postgres:\/\/ URL nor/],
  ["s3cret", /neither a postgres:\/\/ URL nor/],

  // libpq's keywords
  ["hots=db password=s3cret", /unknown setting 'hots'/],
  ["password=my s3cret", /what follows setting 1 is neither/],
  ["password=my s3cret=x", /what follows the password is no setting/],
  ["password='s3cret", /neither a postgres:\/\/ URL nor/],
  ["host=db password='x's3cret", /what follows setting 1 is neither/],
  ["password=s3cret port=x", /port is not a number/],
  ["password=s3cret port=0", /port is not a number/],
  ["password=s3cret host=a,b port=1,2,3", /2 hosts and 3 ports/],
  ["password=s3cret sslmode=s3cret", /sslmode is not one of disable, allow, prefer/],
  ["password=s3cret channel_binding=on", /channel_binding is not one of/],
  ["password=s3cret target_session_attrs=standby", /'standby' asks for a standby/],
  ["password=s3cret connect_timeout=soon", /connect_timeout is not a number/],
  ["password=s3cret sslrootcert=system sslmode=require", /only good for sslmode 'verify-full'/],
  ["password=s3cret sslkey=/k.pem", /a sslkey and no sslcert/],
  ["password=s3cret sslcrl=/crl.pem", /'sslcrl' is not supported/],
  ["password=s3cret service=x", /'service' is not supported/],
  ["password=s3cret gssencmode=require", /'gssencmode' is not supported/],

  // .NET
  ["Host=db;Passwort=s3cret", /unknown setting 'Passwort'/],
  ["Host=db;Password=a;s3cret=1;Port=1", /what follows the password is no setting/],
  ["Host=db;Password=a;s3cret", /setting 2 and what follows it are not of the form/],
  ["Host=db;Password='s3cret;Port=1", /setting|not of the form/],
  ["Username=bob Password=s3cret", /setting 1 and what follows it are not of the form/],
  ["Host=db Password=s3cret;Port=1", /setting 1 and what follows it are not of the form/],
  ["Host=db;Password=s3cret;SSL Mode=VerifyFull;Trust Server Certificate=true", /contradicts/],
  ["Host=db;Password=s3cret;Check Certificate Revocation=true", /is not supported/],
  ["Host=db;Password=s3cret;SSL Mode=Sometimes", /sslmode is not one of/],
  ["Host=db;Password=s3cret;Port=x", /port is not a number/],
];

Deno.test("refuses what it cannot follow, by the setting's name and without a word of the password", () => {
  for (const [text, expected] of refused) {
    assert.throws(() => resolve(text), (error: Error) => {
      assert.match(error.message, expected, text);
      assert.match(error.message, /^Cannot /, text);
      assert.ok(!JSON.stringify([error.message, String(error.cause)]).includes("s3cret"), error.message);
      return true;
    }, text);
  }
});

Deno.test("takes a separate key before the connection string, and that before the environment", () => {
  const environment: Environment = {
    USER: "ann",
    HOME: "/home/ann",
    PGHOST: "e1,e2",
    PGPORT: "7000",
    PGDATABASE: "ed",
    PGUSER: "eu",
    PGPASSWORD: "ep",
    PGSSLMODE: "require",
    PGCONNECT_TIMEOUT: "9",
    PGTARGETSESSIONATTRS: "any",
    PGCHANNELBINDING: "disable",
    PGAPPNAME: "app",
    PGOPTIONS: "-c geqo=off",
    PGSSLCERT: "/ec.pem",
    PGSSLKEY: "/ek.pem",
  };
  const fromEnvironment: ConnectionOptions = {
    hosts: [{ host: "e1", port: 7000 }, { host: "e2", port: 7000 }],
    database: "ed",
    user: "eu",
    password: "ep",
    sslMode: "require",
    sslCert: "/ec.pem",
    sslKey: "/ek.pem",
    channelBinding: "disable",
    targetSessionAttrs: "any",
    connectTimeout: 9000,
    applicationName: "app",
    serverOptions: "-c geqo=off",
  };
  const keys = {
    database: "kd",
    user: "ku",
    password: "kp",
    sslMode: "verify-ca",
    sslRootCert: "/kr.pem",
    sslCert: "/kc.pem",
    sslKey: "/kk.pem",
  } as const;
  assert.deepEqual(resolve({}, environment), fromEnvironment);
  assert.deepEqual(
    resolve("postgres://su:sp@s1/sd?sslmode=disable", environment),
    {
      ...fromEnvironment,
      hosts: [{ host: "s1", port: 7000 }],
      database: "sd",
      user: "su",
      password: "sp",
      sslMode: "disable",
    },
  );
  assert.deepEqual(
    resolve({
      connectionString: "Host=s1;Username=su;Password=sp;Database=sd;SSL Mode=Disable",
      host: "k1",
      port: 1,
      ...keys,
    }, environment),
    {
      ...fromEnvironment,
      hosts: [{ host: "k1", port: 1 }],
      ...keys,
    },
  );
});

Deno.test("finds the password in one place: beside the string, in a file, in the string, the environment, a pgpass file", () => {
  const environment: Environment = { USER: "ann", HOME: "/home/ann", PGPASSFILE: "/pgpass" };
  const sources = (parameters: ConnectionParameters, environment: Environment) => {
    const { password, passwordFile, pgpassFile } = resolve(parameters, environment);
    return [password, passwordFile, pgpassFile];
  };
  const connectionString = "host=db password=p";
  assert.deepEqual(sources({ connectionString, passwordFile: "/f", password: "k" }, environment), [
    "k",
    undefined,
    undefined,
  ]);
  assert.deepEqual(sources({ connectionString, passwordFile: "/f" }, environment), [
    undefined,
    "/f",
    undefined,
  ]);
  assert.deepEqual(sources({ connectionString }, { ...environment, PGPASSWORD: "e" }), [
    "p",
    undefined,
    undefined,
  ]);
  assert.deepEqual(sources({}, { ...environment, PGPASSWORD: "e" }), ["e", undefined, undefined]);
  assert.deepEqual(sources({ connectionString: "passfile=/s" }, environment), [undefined, undefined, "/s"]);
  assert.deepEqual(sources({}, environment), [undefined, undefined, "/pgpass"]);
  assert.deepEqual(sources({}, { ...environment, PGPASSFILE: "" }), [
    undefined,
    undefined,
    "/home/ann/.pgpass",
  ]);
});

Deno.test("wants a user from somewhere", () => {
  assert.throws(() => resolve("host=db", {}), /Cannot connect to PostgreSQL: no user is configured/);
  assert.equal(resolve("host=db", { LOGNAME: "eve" }).user, "eve");
});

Deno.test("reads back any password from each way to write one", () => {
  const password = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => text.trim() === text);
  fc.assert(
    fc.property(password, (password) => {
      const quoted = password.replace(/['\\]/g, "\\$&");
      const texts = [
        `postgres://bob:${encodeURIComponent(password)}@db`,
        `host=db user=bob password='${quoted}'`,
        `Host=db;Username=bob;Password="${password.replaceAll('"', '""')}"`,
        `Host=db;Username=bob;Password='${password.replaceAll("'", "''")}';Port=5432`,
      ];
      for (const text of texts) {
        const options = resolve(text);
        assert.deepEqual([options.user, options.password, options.hosts.length], ["bob", password, 1], text);
      }
    }),
    { seed: 20_260_101 },
  );
});

Deno.test("never throws anything that holds a password, whatever the string", () => {
  const secret = "Zq7Kx9Wv";
  const piece = fc.constantFrom(
    ..."postgres:// host= Host= user= ; ' \" @ / ? = \\ , : & % port= Password= password= SSL Mode= [ ] db 5432"
      .split(" "),
    " ",
  );
  const around = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
  const before = fc.constantFrom(
    "password=",
    "Password=",
    "postgres://bob:",
    "user=bob password='",
    'Host=db;PWD="',
  );
  fc.assert(
    fc.property(around, before, around, around, (start, before, middle, end) => {
      try {
        resolve(start + before + middle + secret + end);
      } catch (error) {
        assert.ok(!(error as Error).message.includes(secret), (error as Error).message);
        assert.match((error as Error).message, /^Cannot /);
      }
    }),
    { seed: 20_260_102, numRuns: 20_000 },
  );
});
