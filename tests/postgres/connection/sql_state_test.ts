import assert from "node:assert/strict";
import { LoginError } from "../../../src/postgres/connection/login_error.ts";
import { isHopeless, sqlState } from "../../../src/postgres/connection/sql_state.ts";

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

Deno.test("a SQLSTATE is told from the codes of other errors", () => {
  assert.equal(sqlState(failure("42P01")), "42P01");
  assert.equal(sqlState(failure("XX000")), "XX000");
  for (const code of ["EPIPE", "ECONNREFUSED", "CONNECTION_ENDED", ""]) {
    assert.equal(sqlState(failure(code)), undefined);
  }
  assert.equal(sqlState(new Error("none")), undefined);
  assert.equal(sqlState({ code: "42P01" }), undefined);
});

Deno.test("what a server refuses for good is hopeless, an outage is not", () => {
  for (const code of ["28P01", "28000", "3D000", "42501"]) {
    assert.equal(isHopeless(failure(code)), true, code);
  }
  assert.equal(isHopeless(new LoginError("no password is configured")), true);
  for (const code of ["53300", "57P03", "08006", "ECONNREFUSED"]) {
    assert.equal(isHopeless(failure(code)), false, code);
  }
});

Deno.test("of several hosts, all must have refused", () => {
  assert.equal(isHopeless(new AggregateError([failure("28P01"), failure("28P01")])), true);
  assert.equal(isHopeless(new AggregateError([failure("28P01"), failure("ECONNREFUSED")])), false);
});
