/**
 * Runs every test: the fast ones side by side, then those that start real servers one after another. Servers are found
 * or fetched by the tests themselves. A suite that does not end is ended, and the test that hangs is named. Prints what was
 * skipped, by name, and last `N passed, N failed, N skipped`; with CI=true a skipped test is a failure.
 */
import { hasPostgres } from "../demo/postgres/binaries.ts";

interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
}

const PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys",
  "--allow-run",
];

const SUITES = [
  { name: "fast", flags: ["--parallel", "--ignore=tests/integration"], path: "tests", minutes: 15 },
  { name: "integration", flags: [], path: "tests/integration", minutes: 60 },
] as const;

/** One `deno test` process; its outcome is read from the JUnit report that it writes. */
async function runSuite(suite: (typeof SUITES)[number], chosen: readonly string[]): Promise<Tally> {
  const report = await Deno.makeTempFile({ prefix: "twinrouter-tests-", suffix: ".xml" });
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--quiet",
      ...PERMISSIONS,
      `--junit-path=${report}`,
      ...suite.flags,
      ...chosen,
      suite.path,
    ],
    stdin: "null",
  });
  const child = command.spawn();
  const deadline = setTimeout(() => {
    say(`The ${suite.name} tests have not ended after ${suite.minutes} minutes, and are interrupted`);
    child.kill("SIGINT"); // it then says which test was under way, and writes its report
  }, suite.minutes * 60_000);
  const { code } = await child.status;
  clearTimeout(deadline);
  const xml = await Deno.readTextFile(report);
  await Deno.remove(report);
  const tally = readReport(xml);
  // A module that does not load, or a leak found at the end, fails the process without a failed test.
  return code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
}

/** The integration tests that cannot run where there is no PostgreSQL, by file. */
async function skippedFiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) names.push(...await skippedFiles(`${folder}/${name}`));
    else if (name.endsWith("_test.ts")) names.push(`${folder}/${name}, for want of a PostgreSQL`);
  }
  return names;
}

/** Counts the test cases of a JUnit report; a case holds `<failure`, `<error` or `<skipped` when it did not pass. */
function readReport(xml: string): Tally {
  let passed = 0;
  let failed = 0;
  const skipped: string[] = [];
  for (
    const [, attributes = "", , body = ""] of xml.matchAll(/<testcase ([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g)
  ) {
    if (body.includes("<skipped")) skipped.push(/name="([^"]*)"/.exec(attributes)?.[1] ?? "?");
    else if (body.includes("<failure") || body.includes("<error")) failed++;
    else passed++;
  }
  return { passed, failed, skipped };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

const tallies: Tally[] = [];
for (const suite of SUITES) {
  if (suite.name === "fast" || hasPostgres()) tallies.push(await runSuite(suite, Deno.args));
  else tallies.push({ passed: 0, failed: 0, skipped: await skippedFiles(suite.path) });
}

const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
const skipped = tallies.flatMap((tally) => tally.skipped);
for (const name of skipped) say(`SKIPPED: ${name}`);
const skipsForbidden = Deno.env.get("CI") === "true" && skipped.length > 0;
if (skipsForbidden) say("CI=true: a skipped test is a failure");
say(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
Deno.exit(failed > 0 || passed === 0 || skipsForbidden ? 1 : 0);
