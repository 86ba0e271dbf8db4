import { createHash } from "node:crypto";
import { ByteReader } from "../byte_reader.ts";

/**
 * The channel binding `tls-server-end-point`: a digest of the server's certificate (DER), by the hash function of the
 * certificate's own signature, or SHA-256 where that is MD5 or SHA-1. Undefined for a signature without one (Ed25519).
 * @see https://www.rfc-editor.org/rfc/rfc5929#section-4
 */
export function tlsServerEndPoint(certificate: Uint8Array): Uint8Array | undefined {
  const hash = signatureHash(certificate);
  return hash === undefined ? undefined : createHash(hash).update(certificate).digest();
}

const SHA256 = "sha256";
const SHA384 = "sha384";
const SHA512 = "sha512";

/** Signature algorithms, and hash functions as RSASSA-PSS names them, by the hexadecimal of their object identifiers. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ["2a864886f70d010104", SHA256], // md5WithRSAEncryption
  ["2a864886f70d010105", SHA256], // sha1WithRSAEncryption
  ["2a864886f70d01010b", SHA256], // sha256WithRSAEncryption
  ["2a864886f70d01010c", SHA384], // sha384WithRSAEncryption
  ["2a864886f70d01010d", SHA512], // sha512WithRSAEncryption
  ["2a864886f70d01010e", "sha224"], // sha224WithRSAEncryption
  ["2a8648ce3d0401", SHA256], // ecdsa-with-SHA1
  ["2a8648ce3d040301", "sha224"], // ecdsa-with-SHA224
  ["2a8648ce3d040302", SHA256], // ecdsa-with-SHA256
  ["2a8648ce3d040303", SHA384], // ecdsa-with-SHA384
  ["2a8648ce3d040304", SHA512], // ecdsa-with-SHA512
  ["2b0e03021a", SHA256], // SHA-1
  ["608648016503040201", SHA256],
  ["608648016503040202", SHA384],
  ["608648016503040203", SHA512],
  ["608648016503040204", "sha224"],
]);

const RSASSA_PSS = "2a864886f70d01010a";

/**
 * Certificate: SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, parameters },
 * signature BIT STRING }; the parameters of RSASSA-PSS: SEQUENCE { [0] { SEQUENCE { OBJECT IDENTIFIER, … } }, … }, and
 * SHA-1 without [0]. https://www.rfc-editor.org/rfc/rfc5280#section-4.1, https://www.rfc-editor.org/rfc/rfc4055
 */
function signatureHash(certificate: Uint8Array): string | undefined {
  const fields = new ByteReader(readElement(new ByteReader(certificate)).content);
  readElement(fields);
  const algorithm = new ByteReader(readElement(fields).content);
  const identifier = readElement(algorithm).content.toHex();
  if (identifier !== RSASSA_PSS) return HASHES.get(identifier);

  const parameters = new ByteReader(algorithm.remaining > 0 ? readElement(algorithm).content : undefined);
  if (parameters.remaining === 0) return SHA256;
  const first = readElement(parameters);
  if (first.tag !== 0xa0) return SHA256;
  const hashAlgorithm = new ByteReader(readElement(new ByteReader(first.content)).content);
  return HASHES.get(readElement(hashAlgorithm).content.toHex());
}

/** DER: tag, length (one byte below 128, else 0x80 + the number of bytes that hold it), content. */
function readElement(reader: ByteReader): { tag: number; content: Uint8Array } {
  const tag = reader.uint8();
  let length = reader.uint8();
  if (length >= 0x80) {
    const bytes = reader.view(length - 0x80);
    length = bytes.reduce((value, byte) => value * 256 + byte, 0);
  }
  return { tag, content: reader.view(length) };
}
