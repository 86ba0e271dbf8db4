import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { tlsServerEndPoint } from "../../../src/postgres/connection/channel_binding.ts";
import { ProtocolError } from "../../../src/postgres/protocol_error.ts";

function certificate(name: string): Uint8Array {
  const pem = Deno.readTextFileSync(new URL(`../../fixtures/tls/${name}.crt`, import.meta.url));
  return Buffer.from(pem.replace(/-----.*-----/g, ""), "base64");
}

Deno.test("digests a certificate by the hash of its signature, or by SHA-256 where that is too weak", () => {
  const hashes: [string, string][] = [
    ["server", "sha256"],
    ["server_sha384", "sha384"],
    ["signed_rsa_sha1", "sha256"],
    ["signed_rsa_sha512", "sha512"],
    ["signed_pss_sha1", "sha256"],
    ["signed_pss_sha384", "sha384"],
  ];
  for (const [name, hash] of hashes) {
    const der = certificate(name);
    assert.deepEqual(tlsServerEndPoint(der), createHash(hash).update(der).digest(), name);
  }
});

Deno.test("has no binding to a certificate whose signature has no hash of its own", () => {
  assert.equal(tlsServerEndPoint(certificate("signed_ed25519")), undefined);
});

Deno.test("throws nothing but a ProtocolError for what is no certificate", () => {
  const der = certificate("server");
  for (let length = 0; length < der.length; length++) {
    assert.throws(() => tlsServerEndPoint(der.subarray(0, length)), ProtocolError, `${length} bytes`);
  }
});
