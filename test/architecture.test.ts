/**
 * Tests of the checkout itself: what may import what (here), house style (style.test.ts), hygiene of
 * committed files (hygiene.test.ts). They read text, so they see every file, also one nobody imports yet.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf, readSources } from "./support/source-files.ts";

/**
 * What each folder may import besides itself; the folder with the longest matching name decides. "agent" and
 * "control" as keys mean the files directly in them (composition roots); as values, everything below.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "agent/model": [],
  "agent/http": ["agent/model"],
  "agent/kernel": ["agent/model", "bpf/connect.gen.ts"],
  "agent/state": ["agent/model"],
  "agent/identity": ["agent/model"],
  "agent/telemetry": ["agent/model"],
  "agent/engine": ["agent/kernel"],
  "agent/redirect": ["agent/model", "agent/kernel", "agent/state"],
  "agent/transport": ["agent/model", "agent/engine", "agent/http", "agent/identity"],
  "agent/flow": [
    "agent/model",
    "agent/state",
    "agent/engine",
    "agent/http",
    "agent/transport",
    "agent/telemetry",
  ],
  "agent/admin": ["agent/model", "agent/state", "agent/telemetry"],
  agent: ["agent"],
  "bpf/loader": [],
  bpf: ["bpf"],
  "control/compile": ["control/world.ts", "control/k8s/api", "agent/model"],
  "control/cli": ["control", "agent/model", "deploy/manifests"],
  control: [
    "control",
    "agent/model",
    "agent/telemetry/get-server.ts",
    "agent/telemetry/metrics-page.ts",
    "agent/telemetry/prom-client.ts",
    "agent/telemetry/build-info.ts",
    "agent/telemetry/turns.ts",
  ],
  "deploy/manifests": ["deploy/prometheus"],
  "deploy/prometheus": [],
  deploy: ["agent", "bpf", "control", "deploy", "test", "bench"],
  bench: ["agent", "bpf", "control", "deploy", "test", "bench"],
  test: ["agent", "bpf", "control", "deploy", "test", "bench"],
};

/** npm packages that only some folders may use; a package not named here is free (biome forbids koffi on its own). */
const PACKAGE_OWNERS: Readonly<Record<string, readonly string[]>> = {
  "ebpf-loader-wasm": ["agent/kernel", "bpf", "bench", "deploy", "test"],
  "prom-client": ["agent/telemetry", "control", "bench", "test"],
  undici: ["agent/state", "agent/admin", "control", "deploy", "bench", "test"],
};

/** Folders of pure words and codecs: nothing there may open a socket, a file or a thread. */
const PURE = ["agent/model", "agent/http", "control/compile"];
const IMPURE_MODULES =
  /^node:(?:net|http|https|http2|fs|fs\/promises|dgram|tls|dns|child_process|worker_threads|process|os)$/;

/** node:http's table of status texts is a pure word list: importing just it is fine. */
const ONLY_A_TABLE = /^import \{ STATUS_CODES \} from "node:http";$/m;

const LAYERS = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length);

function layerOf(path: string): string | undefined {
  return LAYERS.find((layer) => path.startsWith(`${layer}/`));
}

function isUnder(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

function mayImport(from: string, to: string): boolean {
  const layer = layerOf(from);
  if (layer === undefined) return false;
  return layerOf(to) === layer || isUnder(to, MAY_IMPORT[layer] ?? []);
}

/** Whether an import names a file of this checkout. */
function isOurs(target: string): boolean {
  return layerOf(target) !== undefined;
}

const sources = await readSources();
const edges = sources.flatMap((file) =>
  importsOf(file).map((target) => ({ from: file.path, to: target })),
);
const productEdges = edges.filter(({ from }) => !from.endsWith(".test.ts"));

function textOf(path: string): string {
  return sources.find((file) => file.path === path)?.text ?? "";
}

test("the checker sees the imports of this checkout", () => {
  const seen = edges.filter(({ to }) => isOurs(to));
  assert.ok(seen.length > 50, `only ${seen.length} imports were seen: the patterns are broken`);
  assert.ok(
    edges.some(({ from, to }) => from === "test/architecture.test.ts" && to === "node:test"),
    "this file's own import of node:test was not seen",
  );
});

test("imports point down the layers only", () => {
  const wrong = productEdges
    .filter(({ from, to }) => isOurs(to) && !mayImport(from, to))
    .map(({ from, to }) => `${from} imports ${to}`);
  assert.deepEqual(wrong, []);
});

test("every source file lies in a folder of the import table", () => {
  const homeless = sources.filter(({ path }) => layerOf(path) === undefined);
  assert.deepEqual(
    homeless.map(({ path }) => path),
    [],
  );
});

test("packages are imported only by the folders that own their use", () => {
  const wrong = productEdges
    .filter(({ from, to }) => {
      const owners = PACKAGE_OWNERS[to];
      return owners !== undefined && !isUnder(from, owners);
    })
    .map(({ from, to }) => `${from} imports ${to}`);
  assert.deepEqual(wrong, []);
});

test("the pure folders import nothing that touches the outside", () => {
  const wrong = productEdges
    .filter(({ from, to }) => isUnder(from, PURE) && IMPURE_MODULES.test(to))
    .filter(({ from }) => !ONLY_A_TABLE.test(textOf(from)))
    .map(({ from, to }) => `${from} imports ${to}`);
  assert.deepEqual(wrong, []);
});

test("the import table itself refuses what it should", () => {
  assert.equal(mayImport("agent/http/h1/head.ts", "agent/engine/channel.ts"), false);
  assert.equal(mayImport("agent/engine/loop.ts", "agent/kernel/ffi.ts"), true);
  assert.equal(mayImport("control/app.ts", "agent/app.ts"), false);
  assert.equal(mayImport("control/compile/services.ts", "control/k8s/watch.ts"), false);
  assert.equal(mayImport("agent/app.ts", "agent/flow/plan.ts"), true);
  assert.equal(mayImport("agent/app.ts", "test/support/temp.ts"), false);
});
