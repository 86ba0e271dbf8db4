import assert from "node:assert/strict";
import { embeddedPasswords } from "../../src/config/embedded_passwords.ts";

/** Texts, and the password that must be found in each; without one, nothing may be found. */
const CASES: readonly [string, string?][] = [
  ["postgres://me:s3cret@db:5432/twins", "s3cret"],
  ["postgresql://me:s3%40cret@db/twins", "s3@cret"],
  ["postgres://me:s3@cr/et@db/twins", "s3@cr/et"],
  ["https://user:s3cret@example.com/events", "s3cret"],
  ["postgres://db/twins?user=me&password=s3cret&sslmode=require", "s3cret"],
  ["host=db user=me password=s3cret dbname=twins", "s3cret"],
  ["host=db password = 's3 \\'cr\\'et' dbname=twins", "s3 'cr'et"],
  ["Host=db;Username=me;Password=s3 cret;SSL Mode=Require", "s3 cret"],
  ['Host=db;Password="s3;c""ret";Database=x', 's3;c"ret'],
  ["Host=db;Pwd=s3cret", "s3cret"],
  ["Endpoint=sb://x/;SharedAccessKeyName=a;SharedAccessKey=abc+/=;EntityPath=x", "abc+/="],
  ["postgres://me@db/twins"],
  ["https://example.com/a:b@c"],
  ["host=db user=me"],
  ["events about passwords"],
];

for (const [text, password] of CASES) {
  Deno.test(`finds ${password ?? "nothing"} in ${text}`, () => {
    const found = embeddedPasswords(text);
    if (password === undefined) assert.deepEqual(found, []);
    else assert(found.includes(password), `found ${JSON.stringify(found)}`);
  });
}
