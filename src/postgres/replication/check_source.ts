import { chooseServer } from "../connection/choose_server.ts";
import { endOnAbort } from "../connection/end_on_abort.ts";
import { openConnection } from "../connection/open_connection.ts";
import { openSql } from "../connection/sql.ts";
import type { Finding } from "./finding.ts";
import { describeLabelGaps, findLabelGaps } from "./label_gaps.ts";
import { preflight } from "./preflight.ts";
import { publicationScope } from "./publication.ts";
import type { ReplicationSettings } from "./replication_settings.ts";
import { readServerFacts } from "./server_facts.ts";
import { readSlotUser } from "./slot.ts";

/**
 * Looks as `openSource` does, without changing anything: all that it would stop at, wait for or warn of. Throws what the
 * connections throw.
 */
export async function checkSource(
  settings: ReplicationSettings,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  await using resources = new AsyncDisposableStack();
  const address = await chooseServer(settings.connection, signal);
  const sql = openSql(settings.connection, { pin: address });
  resources.use(sql);
  using _ = endOnAbort(sql, signal);
  const facts = await readServerFacts(sql, settings);
  const findings = [...preflight(facts, settings)];
  if (!findings.some(({ severity }) => severity !== "warning")) {
    const connection = await openConnection(
      settings.connection,
      { replication: "database" },
      signal,
      address,
    );
    await connection[Symbol.asyncDispose]();
  }
  const user = await readSlotUser(sql, settings.slot);
  if (user !== undefined) {
    findings.push({
      severity: "transient",
      about: "slot",
      problem: `Cannot stream from slot ${settings.slot}: ${user.description} does`,
      remedy: "A router that is started now stands by until it is free.",
    });
  }
  const scope = publicationScope(settings, facts.role, facts.server.version, facts.catalog);
  findings.push(...describeLabelGaps(findLabelGaps(scope, facts.publication), scope, facts.publication));
  return findings;
}
