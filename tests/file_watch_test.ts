import assert from "node:assert/strict";
import { FileWatch } from "../src/file_watch.ts";
import type { Clock } from "../src/sink/clock.ts";
import { FakeClock } from "./support/fake_clock.ts";
import { LogRecorder } from "./support/log_recorder.ts";
import { TemporaryFolder } from "./support/temporary_folder.ts";
import { until } from "./support/until.ts";

/** A watched file, whose content at each time that a change was told is kept. */
class Scene implements AsyncDisposable {
  readonly told: string[] = [];
  readonly log = new LogRecorder();
  readonly folder: TemporaryFolder;
  readonly file: string;
  readonly watch: FileWatch;

  private constructor(folder: TemporaryFolder, name: string, clock?: Clock) {
    this.folder = folder;
    this.file = `${folder.path}/${name}`;
    const tell = () => this.told.push(Deno.readTextFileSync(this.file));
    this.watch = new FileWatch(this.file, tell, this.log, clock);
  }

  static async make(
    prepare: (folder: string) => void,
    { name = "events.yaml", clock }: { name?: string; clock?: Clock } = {},
  ): Promise<Scene> {
    const folder = await TemporaryFolder.make();
    prepare(folder.path);
    return new Scene(folder, name, clock);
  }

  async untilTold(...contents: string[]): Promise<void> {
    await until(() => this.told.length >= contents.length, () => `${contents}; told were ${this.told}`);
    assert.deepEqual(this.told, contents);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.watch[Symbol.dispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

const write = (content: string) => (folder: string) =>
  Deno.writeTextFileSync(`${folder}/events.yaml`, content);

Deno.test("a change is told whether the file is written anew or another is put in its place, and nothing else is", async () => {
  await using scene = await Scene.make(write("1"));
  scene.watch.watch(true);
  await Deno.writeTextFile(scene.file, "2");
  await scene.untilTold("2");
  await Deno.writeTextFile(`${scene.folder.path}/beside.ndjson`, "{}\n");
  await Deno.writeTextFile(scene.file, "2"); // as it was
  await Deno.writeTextFile(`${scene.file}.draft`, "3");
  await Deno.rename(`${scene.file}.draft`, scene.file);
  await scene.untilTold("2", "3");
  await Deno.remove(scene.file);
  await Deno.writeTextFile(scene.file, "4");
  await scene.untilTold("2", "3", "4");
});

Deno.test("a folder behind a link that is exchanged, as Kubernetes does it, is a change", async () => {
  const version = (folder: string, name: string, content: string) => {
    Deno.mkdirSync(`${folder}/..${name}`);
    Deno.writeTextFileSync(`${folder}/..${name}/events.yaml`, content);
  };
  await using scene = await Scene.make((folder) => {
    version(folder, "1", "1");
    Deno.symlinkSync("..1", `${folder}/..data`);
    Deno.symlinkSync("..data/events.yaml", `${folder}/events.yaml`);
  });
  scene.watch.watch(true);
  const { path } = scene.folder;
  version(path, "2", "2");
  await Deno.symlink("..2", `${path}/..data_tmp`);
  await Deno.rename(`${path}/..data_tmp`, `${path}/..data`);
  await scene.untilTold("2");
});

Deno.test("a file that is written bit by bit is told once it is whole", async () => {
  const clock = new FakeClock();
  await using scene = await Scene.make(write("old"), { clock });
  const untilNoticed = () => until(() => clock.timers === 1, "the change to be noticed");
  const writeMore = (append: boolean) => Deno.writeTextFile(scene.file, "part\n", { append });
  scene.watch.watch(true);
  await clock.next();
  await writeMore(false);
  for (let part = 1; part < 5; part++) {
    await untilNoticed();
    await clock.next();
    assert.deepEqual(scene.told, []);
    await writeMore(true);
  }
  await until(async () => await clock.next() && scene.told.length > 0, "the change to be told");
  assert.deepEqual(scene.told, ["part\n".repeat(5)]);
});

Deno.test("what has changed before the watch begins is told, but not what is remembered", async () => {
  await using scene = await Scene.make(write("1"));
  await Deno.writeTextFile(scene.file, "2");
  scene.watch.watch(true);
  await scene.untilTold("2");
  scene.watch.watch(false);
  await Deno.writeTextFile(scene.file, "3");
  scene.watch.remember();
  scene.watch.watch(true);
  await Deno.writeTextFile(scene.file, "4");
  await scene.untilTold("2", "4");
});

Deno.test("a folder that cannot be watched is told", async () => {
  await using scene = await Scene.make(() => {}, { name: "missing/events.yaml" });
  scene.watch.watch(true);
  assert.deepEqual(scene.log.lines, ["warn Cannot watch the configuration: only SIGHUP reloads it"]);
});
