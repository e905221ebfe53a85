/** The images as archives: the same bytes twice, small enough, complete, and like the Dockerfile's. */

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildImage, stageLayers, stageOnly } from "../../deploy/images/build.ts";
import { IMAGE_NAMES, type ImageName, imagePlans } from "../../deploy/images/plan.ts";
import { ROOT } from "../support/source-files.ts";
import { until } from "../support/until.ts";

const LARGEST_AGENT = 160_000_000;
/** What an update of the agent brings to a node that has its Node already; OpenTelemetry's exporters are a half of it. */
const LARGEST_OWN = 15_000_000;

function folderOf(t: { after: (undo: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-images-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs `work` as somebody whose files nobody else may read. */
function secretively<T>(work: () => T): T {
  const before = process.umask(0o077);
  try {
    return work();
  } finally {
    process.umask(before);
  }
}

/** Runs a program with the staged folder as its root, as a container runtime does. */
function inside(folder: string, ...command: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("chroot", [folder, ...command], {
    encoding: "utf8",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    timeout: 20_000,
  });
  assert.equal(status, 0, `${command.join(" ")}: ${stderr}`);
  return stdout;
}

test("the same files give the same archive, whoever builds it, and the agent's is small", (t) => {
  const folder = folderOf(t);
  const build = (name: string): ReturnType<typeof buildImage> => {
    const scratch = join(folder, `${name}.scratch`);
    mkdirSync(scratch);
    return buildImage({ root: ROOT, name: "agent", scratch, out: join(folder, `${name}.tar`) });
  };
  const first = build("first");
  const second = secretively(() => build("second"));
  assert.equal(first.digest, second.digest);
  execFileSync("cmp", [join(folder, "first.tar"), join(folder, "second.tar")]);
  assert.ok(first.unpackedBytes < LARGEST_AGENT, `${first.unpackedBytes} bytes`);
});

/** The digests of an archive's layers, from below. */
function layersOf(archive: string): readonly string[] {
  const text = execFileSync("tar", ["-xOf", archive, "manifest.json"], { encoding: "utf8" });
  const [image] = JSON.parse(text) as readonly { readonly Layers: readonly string[] }[];
  return image?.Layers ?? [];
}

/** All files of a folder, with what they are. */
function filesIn(folder: string): readonly string[] {
  const find = [folder, "!", "-type", "d", "-printf", "%P %l %m %s\n"];
  return execFileSync("find", find, { encoding: "utf8" }).trim().split("\n").sort();
}

test("all images share Node as their lower layer, and their own is small; the Dockerfile's layers have the same files", (t) => {
  const folder = folderOf(t);
  const layers = IMAGE_NAMES.map((name) => {
    const scratch = join(folder, `${name}.scratch`);
    const out = join(folder, `${name}.tar`);
    mkdirSync(scratch);
    buildImage({ root: ROOT, name, scratch, out });
    stageLayers(ROOT, name, join(folder, "layers"));
    const whole = filesIn(join(scratch, "files"));
    const parts = ["node", name].flatMap((part) => filesIn(join(folder, "layers", part)));
    assert.deepEqual(parts.sort(), whole);
    return layersOf(out);
  });
  assert.deepEqual(
    layers.map(({ length }) => length),
    [2, 2, 2],
  );
  assert.equal(new Set(layers.map(([shared]) => shared)).size, 1);
  const [, own = ""] = layers[0] ?? [];
  const blob = execFileSync("tar", ["-xOf", join(folder, "agent.tar"), own], {
    maxBuffer: 1 << 28,
  });
  assert.ok(blob.length < LARGEST_OWN, `${blob.length} bytes`);
});

for (const name of ["agent", "control"] as const)
  test(`the image of the ${name} runs with its own files alone, and holds nothing to test or compile`, (t) => {
    const folder = folderOf(t);
    stageOnly(ROOT, name, folder);
    const plan = imagePlans("0.0.0")[name];
    assert.match(inside(folder, ...plan.entrypoint, "--help"), new RegExp(`nodemesh-${name}`));
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      files.filter((file) => /\.test\.ts$|\.d\.ts$|\.map$|\.c$/.test(file)),
      [],
    );
    if (name === "agent") assert.ok(!files.some((file) => file.includes("client-node")));
  });

test("an image says which commit it was made of", (t) => {
  const folder = folderOf(t);
  stageOnly(ROOT, "echo", folder, "0301e20");
  const text = readFileSync(join(folder, "nodemesh/package.json"), "utf8");
  const { gitHead, version } = JSON.parse(text) as { gitHead: string; version: string };
  assert.equal(gitHead, "0301e20");
  assert.match(version, /^\d/);
});

test("the image of echo serves, and has curl and a shell", async (t) => {
  const folder = folderOf(t);
  stageOnly(ROOT, "echo", folder);
  const port = "48123";
  const server = spawn("chroot", [folder, ...imagePlans("0.0.0").echo.entrypoint], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", PORT: port, SERVICE: "shop" },
    stdio: "inherit",
  });
  t.after(async () => {
    server.kill("SIGKILL");
    if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  });
  const url = `http://localhost:${port}/`;
  const curl = ["/usr/bin/curl", "-sf", url];
  await until("echo answers", () => spawnSync("chroot", [folder, ...curl]).status === 0);
  assert.match(inside(folder, "/usr/bin/curl", "-s", url), /"service":"shop"/);
  assert.equal(inside(folder, "/bin/sh", "-c", "echo $((6 * 7))"), "42\n");
});

test("files are readable for everybody, folders open, programs not writable, whoever stages them", (t) => {
  const folder = join(folderOf(t), "staged");
  secretively(() => stageOnly(ROOT, "control", folder));
  assert.equal(statSync(folder).mode & 0o777, 0o755, "the root folder");
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const entry = statSync(join(folder, path));
    const { mode } = entry;
    if (entry.isDirectory()) assert.equal(mode & 0o111, 0o111, `${path} is closed to others`);
    assert.equal(mode & 0o022, 0, `${path} is writable for others`);
    assert.equal(mode & 0o044, 0o044, `${path} is not readable for others`);
  }
});

test("the Dockerfile says the same as the plans", () => {
  const text = readFileSync(join(ROOT, "deploy/images/Dockerfile"), "utf8");
  const [, ...parts] = text.split(/^FROM scratch AS /m);
  const stages = new Map(
    parts.map((part) => {
      const [name = "", ...lines] = part.trim().split("\n");
      return [name, lines];
    }),
  );
  assert.deepEqual([...stages.keys()], [...IMAGE_NAMES]);
  for (const [name, plan] of Object.entries(imagePlans("0.0.0")))
    assert.deepEqual(stages.get(name as ImageName), [
      "COPY --from=build /images/node /",
      `COPY --from=build /images/${name} /`,
      "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      `USER ${plan.user}`,
      `ENTRYPOINT [${plan.entrypoint.map((word) => JSON.stringify(word)).join(", ")}]`,
    ]);
});

test("the Dockerfile's bases are pinned to one build", () => {
  const text = readFileSync(join(ROOT, "deploy/images/Dockerfile"), "utf8");
  const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base = ""]) => base);
  const pinned = /^debian:bookworm-\d{8}-slim(?:@sha256:[0-9a-f]{64})?$/;
  assert.deepEqual(
    bases.filter((base) => base !== "scratch" && !pinned.test(base)),
    [],
  );
  assert.equal(bases.length, IMAGE_NAMES.length + 1);
});
