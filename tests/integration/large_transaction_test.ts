import assert from "node:assert/strict";
import { RouterProcess } from "../support/router_process.ts";
import { TemporaryFolder } from "../support/temporary_folder.ts";
import { TwinDatabase } from "../support/twin_database.ts";

const ROWS = 500_000;
const MEMORY = 200 * 1024 * 1024;

Deno.test("a transaction of 500,000 rows passes with flat memory", async () => {
  await using database = await TwinDatabase.open();
  await using folder = await TemporaryFolder.make();
  const archive = `${folder.path}/archive.ndjson`;
  await using router = await RouterProcess.start(folder.path, {
    source: { connectionString: database.server.connectionString },
    eventSinks: { file: [{ name: "Archive", path: archive }] },
  });
  await router.untilReadyIs(200);
  await database.sql`INSERT INTO digitaltwins."Twin" (properties)
    SELECT ('{"n": ' || i || ', "$dtId": "room-' || i || '", "$metadata": {"$model": "dtmi:example:Room;1"}, "Temperature": '
      || i || '.0}')::ag_catalog.agtype
    FROM generate_series(1, ${ROWS}) i`;
  await database.untilConfirmed();
  const peak = await router.peakResidentBytes();
  assert(peak < MEMORY, `${Math.round(peak / 1024 / 1024)} MB were resident`);
  assert.equal(await router.stop(), 0);

  let expected = 1;
  const lines = (await Deno.open(archive)).readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const part of lines) {
    const complete = (rest + part).split("\n");
    rest = complete.pop() ?? "";
    for (const line of complete) {
      assert(line.includes(`"subject":"room-${expected}"`), `line ${expected} is ${line}`);
      expected++;
    }
  }
  assert.equal(expected - 1, ROWS);
});
