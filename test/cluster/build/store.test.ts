import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Entry, ensureStored } from "./store.ts";

function scratch(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "nodemesh-store-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function entry(build: Entry["build"], freeBytes = 1): Entry {
  return { family: "tiny", key: "v1", freeBytes, build };
}

const quiet = (): void => undefined;

test("an entry is built once and found from then on", async () => {
  using store = scratch();
  let builds = 0;
  const tiny = entry(async (folder) => {
    builds += 1;
    writeFileSync(join(folder, "program"), "whole");
  });
  const first = await ensureStored(store.path, tiny, quiet);
  const second = await ensureStored(store.path, tiny, quiet);
  assert.equal(first, second);
  assert.equal(readFileSync(join(second, "program"), "utf8"), "whole");
  assert.equal(builds, 1);
});

test("a build that fails leaves nothing that a later one would use", async () => {
  using store = scratch();
  const failing = entry(async (folder) => {
    writeFileSync(join(folder, "program"), "half");
    throw new Error("compiler says no");
  });
  await assert.rejects(ensureStored(store.path, failing, quiet), /compiler says no/);
  assert.deepEqual(
    readdirSync(store.path).filter((name) => !name.startsWith(".lock-")),
    [],
  );
});

test("what a killed builder left is never used, its lock is free, and it is removed", async () => {
  using store = scratch();
  const script = `
    import { ensureStored } from ${JSON.stringify(join(import.meta.dirname, "store.ts"))};
    import { writeFileSync } from "node:fs";
    await ensureStored(process.argv[2], { family: "tiny", key: "v1", freeBytes: 1, build: async (folder) => {
      writeFileSync(folder + "/program", "half");
      console.log("building");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    } }, () => {});`;
  const file = join(store.path, "builder.mts");
  writeFileSync(file, script);
  const child = spawn(process.execPath, [file, store.path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  const unfinished = readdirSync(store.path).filter((name) => name.startsWith(".unfinished-"));
  assert.equal(unfinished.length, 1, "the killed builder had not begun");
  const tiny = entry(async (folder) => {
    assert.deepEqual(readdirSync(folder), [], "a new build begins in an empty folder");
    writeFileSync(join(folder, "program"), "whole");
  });
  const folder = await ensureStored(store.path, tiny, quiet);
  assert.equal(readFileSync(join(folder, "program"), "utf8"), "whole");
  assert.deepEqual(
    readdirSync(store.path).filter((name) => name.startsWith(".unfinished-")),
    [],
  );
});

test("of two builders at once one builds and the other waits, says so, and finds it", async () => {
  using store = scratch();
  const building = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<string>();
  const first = ensureStored(
    store.path,
    entry(async (folder) => {
      building.resolve();
      await mayEnd.promise;
      writeFileSync(join(folder, "program"), "first");
    }),
    quiet,
  );
  await building.promise;
  const second = ensureStored(
    store.path,
    entry(() => Promise.reject(new Error("the second one must not build"))),
    waiting.resolve,
  );
  assert.match(await waiting.promise, /another process builds it/);
  mayEnd.resolve();
  assert.equal(await first, await second);
  assert.equal(readFileSync(join(await second, "program"), "utf8"), "first");
});

test("a disk without room is refused before the build, with the next step", async () => {
  using store = scratch();
  const huge = entry(() => Promise.reject(new Error("built without room")), 1e18);
  await assert.rejects(
    ensureStored(store.path, huge, quiet),
    /1000000000\.0 GB free.*NODEMESH_CACHE/,
  );
  assert.equal(existsSync(join(store.path, "tiny-v1")), false);
});
