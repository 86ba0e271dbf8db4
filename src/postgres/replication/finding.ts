/** Something about a database that stands in the way of reading its changes, and what a person does about it. */
export interface Finding {
  /**
   * - `fatal`: nothing will be read until somebody changes something.
   * - `transient`: nothing can be read now, but the state may pass by itself.
   * - `warning`: changes are read, but something will be missing or fail.
   */
  readonly severity: "fatal" | "transient" | "warning";
  /** What it is about; `history`: whether the changes since the last connection can still be had. */
  readonly about: "server" | "role" | "slot" | "publication" | "graphs" | "history" | "snapshot";
  /** `Cannot <action>: <state>` */
  readonly problem: string;
  readonly remedy: string;
}

/** What keeps a database's changes from being read. */
export class PreflightError extends Error {
  override readonly name = "PreflightError";
  /** Fatal and transient ones. */
  readonly findings: readonly Finding[];
  /** Whether somebody has to change something. */
  readonly fatal: boolean;
  /** Whether what the slot held can never be had again. */
  readonly isLoss: boolean;

  constructor(findings: readonly Finding[]) {
    super(findings.map(({ problem, remedy }) => `${problem}. ${remedy}`).join("\n"));
    this.findings = findings;
    this.fatal = findings.some(({ severity }) => severity === "fatal");
    const mayPass = findings.some(({ severity }) => severity === "transient");
    this.isLoss = !mayPass && findings.some(({ about }) => about === "slot" || about === "history");
  }
}
