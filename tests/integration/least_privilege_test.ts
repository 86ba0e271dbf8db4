import assert from "node:assert/strict";
import { join } from "node:path";
import { createEdgeLabel, createGraph, createVertexLabel } from "../../demo/age_shape.ts";
import { inRepository } from "../support/repository.ts";
import { RouterProcess } from "../support/router_process.ts";
import { runCommand } from "../support/run_command.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";
import { until } from "../support/until.ts";
import { WebhookReceiver } from "../support/webhook_receiver.ts";

/** A graph's name is only a name. */
const NASTY = 'x"; DROP TABLE t; --';

/** The SQL that the documentation has for a role with as little as can be. */
async function documentedGrants(): Promise<string> {
  const text = await Deno.readTextFile(inRepository("docs/security.md"));
  return /```sql\n([^]*?)```/.exec(text)?.[1] ?? "";
}

Deno.test("a role with the documented rights is enough for everything", async () => {
  await using database = await TwinDatabase.open();
  await using receiver = new WebhookReceiver();
  await using folder = await TemporaryFolder.make();
  const { sql } = database;
  await createGraph(sql, NASTY);
  await createVertexLabel(sql, NASTY, 'T"win');
  await createEdgeLabel(sql, NASTY, "contains");
  for (const table of ['digitaltwins."Twin"', 'digitaltwins."Model"', "digitaltwins.contains"]) {
    await sql.unsafe(`ALTER TABLE ${table} REPLICA IDENTITY FULL`);
  }
  const grants = await documentedGrants();
  await sql.unsafe(grants);
  await sql.unsafe(
    grants.split("\n").filter((line) => line.includes("SCHEMA digitaltwins ")).join("\n")
      .replaceAll("SCHEMA digitaltwins ", `SCHEMA "${NASTY.replaceAll('"', '""')}" `),
  );
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "before", "n": 1}')`;
  await sql`INSERT INTO ${sql(NASTY)}.${sql('T"win')} (properties) VALUES ('{"$dtId": "nasty", "n": 1}')`;

  const url = new URL(database.server.connectionString);
  url.username = "twinrouter";
  receiver.respond = ({ body }) => body.includes("refuse me") ? 422 : 204;
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: `${url}`, snapshot: "initial" },
    eventSinks: { webhook: [{ name: "Hook", url: receiver.url, concurrency: 1 }] },
  });
  await router.untilReadyIs(200);
  await receiver.received(2);
  await sql`UPDATE digitaltwins."Twin" SET properties = '{"$dtId": "before", "n": 2}'`;
  await sql`DELETE FROM digitaltwins."Twin"`;
  await sql`INSERT INTO ${sql(NASTY)}.${sql('T"win')} (properties) VALUES ('{"$dtId": "late", "n": 1}')`;
  await createVertexLabel(sql, "digitaltwins", "Late");
  await sql`INSERT INTO digitaltwins."Late" (properties) VALUES ('{"$dtId": "later", "n": 1}')`;
  await receiver.received(6);
  const told = receiver.posts.map(({ body }) => JSON.parse(body));
  const lines = told.map(({ type, subject, snapshot }) =>
    `${type.split(".").at(-1)} ${subject}${snapshot ? " (snapshot)" : ""}`
  );
  assert.deepEqual(lines.slice(0, 2).sort(), ["Create before (snapshot)", "Create nasty (snapshot)"]);
  assert.deepEqual(lines.slice(2), ["Update before", "Delete before", "Create late", "Create later"]);

  const command = (...words: string[]) =>
    runCommand([...words, "--config", join(folder.path, "events.yaml")]);
  await sql`INSERT INTO digitaltwins."Twin" (properties) VALUES ('{"$dtId": "x", "note": "refuse me"}')`;
  await until(async () => (await command("dlq", "list")).stdout.includes("Hook"), "the dead letter");
  receiver.respond = () => 204;
  assert.equal((await command("dlq", "replay", "--all")).code, 0);
  await receiver.received((posts) => posts.filter(({ body }) => body.includes("refuse me")).length === 2);
  const asked = await command("snapshot", "--filter", "subject = 'late'", "--wait");
  assert.match(asked.stdout, /Delivered/, asked.stderr);
  assert.equal(await router.stop(), 0);
});
