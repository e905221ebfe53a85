import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { applyChanges, EMPTY_WORLD, type World } from "../world.ts";
import { ManifestSource } from "./source.ts";

/** A directory that is watched, the world it makes, and a way to wait for a state of it. */
class Fixture implements AsyncDisposable {
  readonly directory: string;
  source: ManifestSource | undefined;
  world: World = EMPTY_WORLD;
  #wake: () => void = () => {};

  constructor(directory: string) {
    this.directory = directory;
  }

  async start(paths: readonly string[] = [this.directory]): Promise<void> {
    this.source = await ManifestSource.open({
      paths,
      onChanges: (changes) => {
        this.world = applyChanges(this.world, changes);
        this.#wake();
      },
    });
  }

  async until(holds: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(5000);
    while (!holds()) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      deadline.addEventListener("abort", () => reject(new Error("waited 5 s in vain")));
      await promise;
    }
  }

  async put(name: string, text: string): Promise<void> {
    const hidden = join(this.directory, `.${name}`);
    await writeFile(hidden, text);
    await rename(hidden, join(this.directory, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source?.[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function fixture(): Promise<Fixture> {
  return new Fixture(await mkdtemp(join(tmpdir(), "nodemesh-manifests-")));
}

function namespaceText(name: string): string {
  return JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
}

test("files that come, change and go are followed", async () => {
  await using f = await fixture();
  await f.put("a.yaml", namespaceText("a"));
  await f.put("notes.txt", namespaceText("not-read"));
  await f.start();
  assert.deepEqual([...f.world.namespaces.keys()], ["a"]);
  await f.put("b.json", namespaceText("b"));
  await f.until(() => f.world.namespaces.has("b"));
  await f.put("a.yaml", namespaceText("c"));
  await f.until(() => f.world.namespaces.has("c") && !f.world.namespaces.has("a"));
  await rm(join(f.directory, "b.json"));
  await f.until(() => !f.world.namespaces.has("b"));
});

test("a file written in place ends up whole", async () => {
  await using f = await fixture();
  await f.start();
  const text = namespaceText("written");
  const file = join(f.directory, "a.yaml");
  for (let end = 10; end <= text.length; end++) await writeFile(file, text.slice(0, end));
  await f.until(() => f.world.namespaces.has("written"));
});

test("a truncated file keeps what it said until it is found empty twice", async () => {
  await using f = await fixture();
  await f.put("a.yaml", namespaceText("a"));
  await f.start();
  const seen: number[] = [];
  await writeFile(join(f.directory, "a.yaml"), "");
  await f.until(() => {
    seen.push(f.world.namespaces.size);
    return f.world.namespaces.size === 0;
  });
  assert.ok(seen.filter((size) => size === 1).length >= 2, `sizes seen: ${seen}`);
});

test("a broken file is a condition, and the others work", async () => {
  await using f = await fixture();
  await f.put("a.yaml", "kind: [");
  await f.put("b.yaml", namespaceText("b"));
  await f.start();
  assert.deepEqual([...f.world.namespaces.keys()], ["b"]);
  assert.deepEqual(
    f.source?.conditions().map((condition) => condition.reason),
    ["unreadable-file"],
  );
});

test("a single file can be the source, its neighbours are not read", async () => {
  await using f = await fixture();
  await f.put("a.yaml", namespaceText("a"));
  await f.put("b.yaml", namespaceText("b"));
  await f.start([join(f.directory, "a.yaml")]);
  assert.deepEqual([...f.world.namespaces.keys()], ["a"]);
  await f.put("a.yaml", namespaceText("c"));
  await f.until(() => f.world.namespaces.has("c"));
});

test("a path that does not exist is an error at the start", async () => {
  await using f = await fixture();
  await assert.rejects(f.start([join(f.directory, "missing")]), { code: "ENOENT" });
});
