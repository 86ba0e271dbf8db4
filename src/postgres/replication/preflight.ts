import type { Finding } from "./finding.ts";
import { formatLsn } from "../lsn.ts";
import { planCreation, publicationScope } from "./publication.ts";
import { quoteName, quoteString } from "../connection/quote.ts";
import { type ReplicationSettings } from "./replication_settings.ts";
import type { ServerFacts } from "./server_facts.ts";
import type { Slot } from "./slot.ts";
import { CREATE_EVENTING_SCHEMA } from "../eventing_schema.ts";
import { STORE_STATEMENTS, storeGrants } from "../snapshot/snapshot_store.ts";

/** The oldest version whose pgoutput sends logical decoding messages. */
const OLDEST_VERSION = 140_000;

/** What stands in the way of reading this database's changes, worst first. */
export function preflight(facts: ServerFacts, settings: ReplicationSettings): readonly Finding[] {
  const findings = [
    ...judgeServer(facts),
    ...(facts.slot ? judgeSlot(facts.slot, facts, settings) : judgeNoSlot(facts, settings)),
    ...judgePublication(facts, settings),
    ...judgeGraphs(facts, settings),
    ...judgeSnapshot(facts, settings),
  ];
  const order = ["fatal", "transient", "warning"];
  return findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

function* judgeServer({ server, role }: ServerFacts): Iterable<Finding> {
  if (server.version < OLDEST_VERSION) {
    yield {
      severity: "fatal",
      about: "server",
      problem: `Cannot read changes: the server is PostgreSQL ${Math.floor(server.version / 10_000)}`,
      remedy: "Upgrade it to PostgreSQL 14 or later.",
    };
  }
  // From PostgreSQL 19 on the first logical slot raises the level by itself.
  const isEnough = server.walLevel === "logical" ||
    (server.walLevel === "replica" && server.version >= 190_000);
  if (!isEnough) {
    yield {
      severity: "fatal",
      about: "server",
      problem: `Cannot decode changes: wal_level is ${server.walLevel}`,
      remedy:
        "Set wal_level = logical and restart PostgreSQL: ALTER SYSTEM SET wal_level = logical; (Azure: " +
        "the server parameter wal_level; Amazon RDS: rds.logical_replication = 1; Google Cloud SQL: the flag " +
        "cloudsql.logical_decoding).",
    };
  }
  if (!role.mayReplicate) {
    yield {
      severity: "fatal",
      about: "role",
      problem: `Cannot replicate: role ${role.name} has no REPLICATION attribute`,
      remedy: `Run as an administrator: ALTER ROLE ${quoteName(role.name)} REPLICATION; ` +
        `(Amazon RDS: GRANT rds_replication TO ${quoteName(role.name)};).`,
    };
  }
  if (server.isStandby) {
    yield {
      severity: "transient",
      about: "server",
      problem: "Cannot read changes: the server is a standby",
      remedy: "Connect to the primary; with several hosts, target_session_attrs=read-write finds it.",
    };
  }
  if (server.senders.used >= server.senders.max) {
    yield {
      severity: "transient",
      about: "server",
      problem:
        `Cannot replicate: all ${server.senders.max} replication connections are in use (max_wal_senders)`,
      remedy: "See pg_stat_replication for who uses them, or raise max_wal_senders and restart PostgreSQL.",
    };
  }
}

function* judgeSlot(
  slot: Slot,
  { server }: ServerFacts,
  { slot: name }: ReplicationSettings,
): Iterable<Finding> {
  const drop = `SELECT pg_drop_replication_slot(${quoteString(name)});`;
  const another = `Choose another name for the slot, or drop this one if nobody needs it: ${drop}`;
  if (slot.plugin === undefined) {
    yield {
      severity: "fatal",
      about: "slot",
      problem: `Cannot use slot ${name}: it is a physical slot`,
      remedy: another,
    };
  } else if (slot.plugin !== "pgoutput") {
    yield {
      severity: "fatal",
      about: "slot",
      problem: `Cannot use slot ${name}: its plugin is ${slot.plugin}, not pgoutput`,
      remedy: another,
    };
  } else if (slot.database !== server.database) {
    yield {
      severity: "fatal",
      about: "slot",
      problem: `Cannot use slot ${name}: it belongs to database ${slot.database}, not ${server.database}`,
      remedy: another,
    };
  }
  if (slot.invalidationReason !== undefined) {
    yield {
      severity: "fatal",
      about: "slot",
      problem: `Cannot use slot ${name}: the server has given it up (${slot.invalidationReason})`,
      remedy:
        `Changes since ${
          slot.confirmedFlushLsn === undefined ? "it was last read" : formatLsn(slot.confirmedFlushLsn)
        } are lost to it. Drop it, and the next start begins anew from there on: ${drop} A larger ` +
        "max_slot_wal_keep_size keeps a slot for longer.",
    };
  } else if (slot.walStatus === "unreserved") {
    yield {
      severity: "warning",
      about: "slot",
      problem: `Slot ${name} is about to be given up: it holds more WAL than max_slot_wal_keep_size`,
      remedy: "Raise max_slot_wal_keep_size until the slot has caught up; a reload of PostgreSQL is enough.",
    };
  }
}

function* judgeNoSlot({ server }: ServerFacts, settings: ReplicationSettings): Iterable<Finding> {
  if (server.slots.used < server.slots.max) return;
  yield {
    severity: "fatal",
    about: "server",
    problem:
      `Cannot create slot ${settings.slot}: all ${server.slots.max} slots are in use (max_replication_slots)`,
    remedy:
      "Drop one that nobody needs (see pg_replication_slots), or raise max_replication_slots and restart " +
      "PostgreSQL.",
  };
}

function* judgePublication(facts: ServerFacts, settings: ReplicationSettings): Iterable<Finding> {
  const { publication, slot } = facts;
  const name = settings.publication;
  if (publication === undefined) {
    if (slot !== undefined) {
      // The slot's WAL is decoded with the catalog as it was when it was written: a publication that is created now
      // does not exist there. Before PostgreSQL 18 that ends the stream, since then such changes are left out.
      const drop = `SELECT pg_drop_replication_slot(${quoteString(settings.slot)});`;
      yield {
        severity: "fatal",
        about: "publication",
        problem: `Cannot read slot ${settings.slot}: publication ${name} does not exist`,
        remedy:
          `Correct the publication's name if it is another. One that is created now comes too late for what the ` +
          `slot holds: drop the slot, and the next start creates both; changes up to then give no events: ${drop}`,
      };
      return;
    }
    const plan = planCreation(publicationScope(settings, facts.role, facts.server.version, facts.catalog));
    if (plan.refusal !== undefined) {
      yield {
        severity: "fatal",
        about: "publication",
        problem: `Cannot create publication ${name}: ${plan.refusal}`,
        remedy: `Run as a superuser:\n${plan.statements.map((statement) => `${statement};`).join("\n")}`,
      };
    }
    return;
  }
  if (publication.omits.length > 0) {
    yield {
      severity: "warning",
      about: "publication",
      problem: `Publication ${name} does not publish ${
        publication.omits.join(", ")
      }: such changes give no events`,
      remedy: `Run: ALTER PUBLICATION ${quoteName(name)} SET (publish = 'insert, update, delete, truncate');`,
    };
  }
  if (publication.filtered.length > 0) {
    yield {
      severity: "warning",
      about: "publication",
      problem: `Publication ${name} filters rows or columns of ${
        publication.filtered.join(", ")
      }: events lack them`,
      remedy: "Publish these tables whole, without WHERE and without a column list.",
    };
  }
}

function* judgeGraphs({ catalog, server }: ServerFacts, settings: ReplicationSettings): Iterable<Finding> {
  if (catalog.agCatalog.length === 0) {
    yield {
      severity: "transient",
      about: "graphs",
      problem: `Cannot find graphs: database ${server.database} has no Apache AGE`,
      remedy: "Check the database's name, or run there as a superuser: CREATE EXTENSION age;",
    };
    return;
  }
  const existing = [...catalog.graphs.keys()];
  for (const graph of (settings.graphs ?? []).filter((graph) => !catalog.graphs.has(graph))) {
    yield {
      severity: "warning",
      about: "graphs",
      problem: `Cannot find graph ${graph}: database ${server.database} has ${
        existing.join(", ") || "no graph"
      }`,
      remedy: "It is followed as soon as it is created; if that is not what you expect, correct its name.",
    };
  }
}

/** A snapshot that begins with the slot has to be able to keep how far it has come. */
function* judgeSnapshot(
  { slot, role, store, server }: ServerFacts,
  settings: ReplicationSettings,
): Iterable<Finding> {
  if (settings.snapshot !== "initial" || slot !== undefined) return;
  if (store.exists ? store.writable : store.mayMake) return;
  const statements = [
    ...(store.exists ? [] : [CREATE_EVENTING_SCHEMA, ...STORE_STATEMENTS]),
    ...storeGrants(quoteName(role.name)),
  ];
  yield {
    severity: "fatal",
    about: "snapshot",
    problem:
      `Cannot begin with a snapshot: role ${role.name} may not keep its progress in database ${server.database}`,
    remedy: `Run as a superuser:\n${statements.map((statement) => `${statement};`).join("\n")}`,
  };
}
