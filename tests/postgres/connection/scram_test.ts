import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ScramExchange } from "../../../src/postgres/connection/scram.ts";

// RFC 7677, section 3.
const clientNonce = "rOprNGfwEbeRWgbNEkqO";
const serverFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const clientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

function exchange(): ScramExchange {
  return new ScramExchange("pencil", { kind: "none" }, "user", clientNonce);
}

Deno.test("says what RFC 7677's example says, and takes its server's proof", async () => {
  const scram = exchange();
  assert.equal(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  assert.equal(await scram.answer(serverFirst), clientFinal);
  scram.verify(serverFinal);
});

Deno.test("refuses a server that does not prove that it knows the password", async () => {
  const scram = exchange();
  assert.throws(() => scram.verify(serverFinal), /signature is wrong/, "before it has been asked anything");
  await scram.answer(serverFirst);
  for (const final of ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "v=6rri", "", "x"]) {
    assert.throws(() => scram.verify(final), /signature is wrong/, final);
  }
  assert.throws(() => scram.verify("e=other-error"), /the server refuses the SCRAM exchange: other-error/);
});

Deno.test("refuses a nonce that is not its own continued, no salt, and an iteration count that would hang it", async () => {
  const nonce = `r=${clientNonce}more`;
  const salt = "s=W22ZaJ0SNY7soEsUEjb6gQ==";
  const refused: [string, RegExp][] = [
    [`r=somebody,${salt},i=4096`, /nonce/],
    [`r=${clientNonce},${salt},i=4096`, /nonce/],
    ["", /nonce/],
    [`${nonce},i=4096`, /no salt/],
    ...["0", "-1", "1.5", "x", "", "10000001", "4294967296", "1e99"].map((count): [string, RegExp] => [
      `${nonce},${salt},i=${count}`,
      /SCRAM iterations, which is not from 1 to 10000000/,
    ]),
  ];
  for (const [first, expected] of refused) await assert.rejects(exchange().answer(first), expected, first);
});

Deno.test("binds to the server's certificate in the first message and in the proof", async () => {
  const digest = Uint8Array.from({ length: 32 }, (_, index) => index);
  const scram = new ScramExchange("pencil", { kind: "tlsServerEndPoint", digest }, "user", clientNonce);
  assert.equal(scram.first(), "p=tls-server-end-point,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const [binding = ""] = (await scram.answer(serverFirst)).split(",");
  const input = Buffer.concat([Buffer.from("p=tls-server-end-point,,"), digest]);
  assert.equal(binding, `c=${input.toString("base64")}`);
});

Deno.test("tells a server that offers no channel binding that it could have", async () => {
  const scram = new ScramExchange("pencil", { kind: "notOffered" }, "user", clientNonce);
  assert.equal(scram.first(), "y,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  assert.match(await scram.answer(serverFirst), /^c=eSws,/); // base64 of 'y,,'
});

Deno.test("never uses a nonce twice", () => {
  const first = () => new ScramExchange("pencil", { kind: "none" }).first();
  assert.match(first(), /^n,,n=,r=[\x21-\x2b\x2d-\x7e]{24}$/);
  assert.notEqual(first(), first());
});
