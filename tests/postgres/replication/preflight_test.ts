import assert from "node:assert/strict";
import { preflight } from "../../../src/postgres/replication/preflight.ts";
import type { ReplicationSettings } from "../../../src/postgres/replication/replication_settings.ts";
import type { ServerFacts, ServerState } from "../../../src/postgres/replication/server_facts.ts";

const settings = { slot: "age_slot", publication: "age_pub", failover: true } as ReplicationSettings;

/** Facts of a server at which nothing is amiss, but for what is changed. */
function facts(changed: Partial<ServerFacts> & { readonly state?: Partial<ServerState> } = {}): ServerFacts {
  const { state, ...rest } = changed;
  return {
    server: {
      version: 180_000,
      systemIdentifier: "7",
      database: "twins",
      walLevel: "logical",
      isStandby: false,
      slots: { used: 0, max: 10 },
      senders: { used: 0, max: 10 },
      ...state,
    },
    role: { name: "postgres", isSuperuser: true, mayReplicate: true, mayCreate: true },
    slot: undefined,
    publication: undefined,
    catalog: {
      graphs: new Map(),
      agCatalog: [{
        schema: "ag_catalog",
        name: "ag_label",
        identity: "full",
        hasPrimaryKey: false,
        owned: true,
        columnListIn: undefined,
      }],
    },
    store: { exists: false, writable: false, mayMake: true },
    ...rest,
  };
}

Deno.test("a server at which nothing is amiss gives no findings", () => {
  assert.deepEqual(preflight(facts(), settings), []);
});

Deno.test("PostgreSQL before 14 is fatal", () => {
  const [finding] = preflight(facts({ state: { version: 130_012 } }), settings);
  assert.equal(finding?.severity, "fatal");
  assert.match(finding?.problem ?? "", /the server is PostgreSQL 13$/);
});

Deno.test("from PostgreSQL 19 on, wal_level = replica is enough", () => {
  const severities = (walLevel: string, version: number) =>
    preflight(facts({ state: { walLevel, version } }), settings).map(({ severity }) => severity);
  assert.deepEqual(severities("replica", 180_004), ["fatal"]);
  assert.deepEqual(severities("replica", 190_000), []);
  assert.deepEqual(severities("minimal", 190_000), ["fatal"]);
});

Deno.test("a standby may be promoted, and is waited for", () => {
  const [finding] = preflight(facts({ state: { isStandby: true } }), settings);
  assert.equal(finding?.severity, "transient");
  assert.match(finding?.remedy ?? "", /target_session_attrs=read-write/);
});

Deno.test("every finding is told, the worst first", () => {
  const findings = preflight(
    facts({
      state: {
        isStandby: true,
        walLevel: "minimal",
        senders: { used: 2, max: 2 },
        slots: { used: 1, max: 1 },
      },
      role: { name: `o"dd`, isSuperuser: false, mayReplicate: false, mayCreate: true },
    }),
    { ...settings, graphs: ["gone"] },
  );
  assert.deepEqual(findings.map(({ severity, about }) => `${severity} ${about}`), [
    "fatal server",
    "fatal role",
    "fatal server",
    "transient server",
    "transient server",
    "warning graphs",
  ]);
  assert.match(findings[1]?.remedy ?? "", /ALTER ROLE "o""dd" REPLICATION;/);
});

Deno.test("a slot that holds more WAL than it may is warned of", () => {
  const slot = { name: "age_slot", plugin: "pgoutput", database: "twins", walStatus: "unreserved" };
  const publication = {
    oid: 1,
    name: "age_pub",
    allTables: true,
    omits: [],
    filtered: [],
    tables: new Set<string>(),
    schemas: new Set<string>(),
    managed: false,
    owned: true,
  };
  const [finding] = preflight(facts({ slot, publication }), settings);
  assert.equal(finding?.severity, "warning");
  assert.match(finding?.remedy ?? "", /max_slot_wal_keep_size/);
});

Deno.test("a snapshot that begins with the slot needs a role that may keep its progress", () => {
  const initial: ReplicationSettings = { ...settings, snapshot: "initial" };
  const role = { name: "router", isSuperuser: false, mayReplicate: true, mayCreate: false };
  const store = { exists: false, writable: false, mayMake: false };
  const publication = { omits: [], filtered: [] } as unknown as ServerFacts["publication"];
  const problems = (changed: Partial<ServerFacts>, with_ = initial) =>
    preflight(facts({ role, store, ...changed }), with_).filter(({ about }) => about === "snapshot");

  const [missing] = problems({});
  assert.equal(missing?.severity, "fatal");
  assert.match(
    missing?.remedy ?? "",
    /CREATE SCHEMA IF NOT EXISTS digitaltwins_eventing;[^]*GRANT SELECT, INSERT/,
  );
  assert.doesNotMatch(problems({ store: { ...store, exists: true } })[0]?.remedy ?? "", /CREATE/);
  assert.deepEqual(problems({ store: { ...store, exists: true, writable: true } }), []);
  assert.deepEqual(problems({ store: { ...store, mayMake: true } }), []);
  assert.deepEqual(problems({ slot: { name: "age_slot", plugin: "pgoutput" }, publication }), []);
  assert.deepEqual(problems({}, settings), []);
});
