import assert from "node:assert/strict";
import { resolveConnectionOptions } from "../../../../src/postgres/connection/connection_string.ts";
import { beginNewTimeline } from "../../../support/new_timeline.ts";
import { StreamFollower } from "../../../support/stream_follower.ts";
import { TwinDatabase } from "../../../support/twin_database.ts";

Deno.test("a stream knows where the timelines before its own have ended", async () => {
  await using database = await TwinDatabase.open({ settings: { restore_command: "false" } });
  const connection = resolveConnectionOptions({ connectionString: database.server.connectionString }, {});
  const settings = { connection, slot: "age_slot", publication: "age_pub", failover: false };
  await using follower = new StreamFollower(settings);
  await follower.connected();
  await beginNewTimeline(database);
  await follower.connected(2);
  await beginNewTimeline(database);
  await follower.connected(3);

  const [first, second, third] = follower.connections;
  assert(first && second && third);
  assert.deepEqual([first.timeline, second.timeline, third.timeline], [1, 2, 3]);
  assert.deepEqual(first.ancestors, []);
  assert.deepEqual(third.ancestors.map(({ timeline }) => timeline), [1, 2]);
  assert.deepEqual(second.ancestors, third.ancestors.slice(0, 1));
  const [before, after] = third.ancestors;
  assert(before && after && before.end > 0n && after.end > before.end);
});
