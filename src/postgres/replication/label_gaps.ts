import type { Finding } from "./finding.ts";
import type { PublishedTable } from "./graph_catalog.ts";
import { additionStatement, planExtension, type Publication, type PublicationScope } from "./publication.ts";
import { quoteTable } from "../connection/quote.ts";
import { replicaIdentityStatement } from "./replica_identity.ts";

/** What a label lacks for its changes to be seen whole, where this role may not give it. */
export interface LabelGap {
  readonly label: PublishedTable;
  readonly lacks: "replica identity" | "publication";
}

/** `publication` is undefined if it is still to be created. */
export function findLabelGaps(
  scope: PublicationScope,
  publication: Publication | undefined,
): readonly LabelGap[] {
  const anonymous = scope.labels.filter(({ identity, owned }) => identity !== "full" && !owned);
  const unpublished = publication ? planExtension(publication, scope).leftOut : [];
  return [
    ...anonymous.map((label) => ({ label, lacks: "replica identity" } as const)),
    ...unpublished.map((label) => ({ label, lacks: "publication" } as const)),
  ];
}

/** At most one warning for each kind of gap, with every label by name and the SQL that closes it. */
export function describeLabelGaps(
  gaps: readonly LabelGap[],
  scope: PublicationScope,
  publication: Publication | undefined,
): readonly Finding[] {
  const lacking = (lacks: LabelGap["lacks"]) =>
    gaps.filter((gap) => gap.lacks === lacks).map(({ label }) => label);
  const findings: Finding[] = [];
  const anonymous = lacking("replica identity");
  if (anonymous.length > 0) {
    const statements = anonymous.map((label) => `${replicaIdentityStatement(label)};`);
    findings.push({
      severity: "warning",
      about: "graphs",
      problem: `Cannot set REPLICA IDENTITY FULL on ${anonymous.map(quoteTable).join(", ")}: role ` +
        `${scope.role.name} does not own them; updates come without the old state, and deletes may give no events`,
      remedy: `Run as a superuser:\n${statements.join("\n")}`,
    });
  }
  const unpublished = lacking("publication");
  if (publication && unpublished.length > 0) {
    const reason = publication.managed
      ? `role ${scope.role.name} may not add them`
      : "it was not made by twinrouter and is taken as it is";
    findings.push({
      severity: "warning",
      about: "publication",
      problem:
        `Publication ${publication.name} lacks ${unpublished.map(quoteTable).join(", ")}: ${reason}; ` +
        "their changes give no events",
      remedy: `Run as a superuser:\n${additionStatement(publication, unpublished)};`,
    });
  }
  return findings;
}
