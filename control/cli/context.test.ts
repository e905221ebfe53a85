/** Kubeconfigs that kubectl takes, and in which words the others are refused. */

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { KubeConfig } from "@kubernetes/client-node";
import { parse, stringify } from "yaml";
import { makeAuthority } from "../tls/authority.ts";
import { ClusterApi } from "./cluster.ts";
import { type ClusterOptions, chooseKubeConfig, formatted } from "./context.ts";

const folder = mkdtempSync(join(tmpdir(), "nodemesh-kubeconfig-"));
after(() => rmSync(folder, { recursive: true }));

/** Nobody listens there. */
const SERVER = "https://127.0.0.1:1";

function written(name: string, content: string | object): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : stringify(content));
  return path;
}

/** A kubeconfig with one of each, all of one name. */
function single(name: string, change: { user?: object; cluster?: object } = {}): object {
  return {
    clusters: [{ name, cluster: { server: SERVER, ...change.cluster } }],
    users: [{ name, user: { token: name, ...change.user } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: `of-${name}` } }],
  };
}

function choose(options: ClusterOptions, env: Record<string, string> = {}): KubeConfig {
  const context = { out: () => undefined, now: () => new Date(), fail: () => undefined };
  const paint = (_: string, text: string): string => text;
  return chooseKubeConfig(options, { ...context, paint, env: { HOME: folder, ...env } });
}

function currentOf(config: KubeConfig): readonly (string | undefined)[] {
  return [
    config.getCurrentContext(),
    config.getCurrentCluster()?.name,
    config.getCurrentUser()?.token,
  ];
}

test("--context replaces a current-context that is stale or missing", () => {
  const stale = written("stale", { ...single("a"), "current-context": "gone" });
  const missing = written("missing", single("a"));
  for (const kubeconfig of [stale, missing])
    assert.deepEqual(currentOf(choose({ kubeconfig, context: "a" })), ["a", "a", "a"]);
  assert.throws(
    () => choose({ kubeconfig: stale }),
    /stale: current-context gone is not in it; .* has a$/,
  );
  assert.throws(
    () => choose({ kubeconfig: missing }),
    /missing: no current-context; give --context/,
  );
  assert.throws(
    () => choose({ kubeconfig: stale, context: "b" }),
    /--context b: .*stale has no such context; it has a$/,
  );
});

test("several files are one: the first of a name and the first current-context count", () => {
  const a = written("a", single("a"));
  const b = written("b", { ...single("b"), "current-context": "b" });
  const again = written("again", {
    ...single("a", { user: { token: "other" } }),
    "current-context": "a",
  });
  const KUBECONFIG = [a, join(folder, "absent"), b, again].join(":");
  assert.deepEqual(currentOf(choose({}, { KUBECONFIG })), ["b", "b", "b"]);
  assert.deepEqual(currentOf(choose({ context: "a" }, { KUBECONFIG })), ["a", "a", "a"]);
});

test("a file that can't be read is the one that is named", () => {
  const a = written("good", { ...single("a"), "current-context": "a" });
  for (const [name, text, words] of [
    ["broken", "clusters: [", /kubeconfig \S*\/broken: /],
    ["text", "hello", /\/text: is no kubeconfig/],
  ] as const)
    assert.throws(() => choose({}, { KUBECONFIG: `${a}:${written(name, text)}` }), words);
  assert.deepEqual(currentOf(choose({}, { KUBECONFIG: `${written("empty", "")}:${a}` })), [
    "a",
    "a",
    "a",
  ]);
  assert.throws(() => choose({ kubeconfig: join(folder, "absent") }), /\/absent: ENOENT/);
  assert.throws(
    () => choose({}, { HOME: join(folder, "nowhere") }),
    /no kubeconfig: there is no file at /,
  );
});

test("only the chosen context must be right", () => {
  const good = single("a");
  const clusters = [{ name: "bad", cluster: {} }];
  const contexts = [
    { name: "lost", context: { cluster: "bad", user: "a" } },
    { name: "nobody", context: { cluster: "a", user: "x" } },
    { name: "anonymous", context: { cluster: "a" } },
  ];
  const one = written("good", { ...good, "current-context": "a" });
  const KUBECONFIG = `${one}:${written("others", { clusters, contexts })}`;
  assert.deepEqual(currentOf(choose({}, { KUBECONFIG })), ["a", "a", "a"]);
  assert.deepEqual(currentOf(choose({ context: "anonymous" }, { KUBECONFIG })), [
    "anonymous",
    "a",
    undefined,
  ]);
  assert.throws(
    () => choose({ context: "lost" }, { KUBECONFIG }),
    /context lost names the cluster bad, which is not in it/,
  );
  assert.throws(
    () => choose({ context: "nobody" }, { KUBECONFIG }),
    /context nobody names the user x, who is not in it/,
  );
});

/** What the first question to the API server says. */
async function asked(change: { user?: object; cluster?: object }): Promise<string> {
  const kubeconfig = written("asked", { ...single("a", change), "current-context": "a" });
  await using api = new ClusterApi(choose({ kubeconfig }));
  try {
    const answer = await api.get("/version");
    return answer.kind;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const CERTIFICATE = makeAuthority(Date.now());

const CREDENTIALS: readonly (readonly [string, { user?: object; cluster?: object }, RegExp])[] = [
  ["good credentials reach for the server", {}, /^away$/],
  [
    "a CA file that is not there",
    { cluster: { "certificate-authority": "no.crt" } },
    /^cluster a of the kubeconfig: certificate-authority \/\S+\/no\.crt: ENOENT.*; put the file there/,
  ],
  [
    "a CA that is no PEM",
    { cluster: { "certificate-authority-data": Buffer.from("x").toString("base64") } },
    /^cluster a of the kubeconfig: certificate-authority-data: is no PEM; correct the kubeconfig$/,
  ],
  [
    "a client certificate that is not there",
    { user: { "client-certificate": "no.crt" } },
    /^user a of the kubeconfig: client-certificate \/\S+\/no\.crt: ENOENT/,
  ],
  [
    "a client key that is a certificate",
    { user: { "client-key-data": Buffer.from(CERTIFICATE.certificate).toString("base64") } },
    /^user a of the kubeconfig: client-key-data: is no PEM/,
  ],
  [
    "a plugin that is not installed, with its own hint",
    { user: { exec: { command: "no-such-plugin", installHint: "see example.org" } } },
    /^user a of the kubeconfig: its credential plugin no-such-plugin is not to be found; install it and have it in PATH: see example\.org$/,
  ],
  [
    "a plugin that fails",
    { user: { exec: { command: "sh", args: ["-c", "echo expired >&2; exit 1"] } } },
    /^user a of the kubeconfig: its credential plugin failed: expired; run it by hand: sh -c /,
  ],
  ["a token file that is not there", { user: { tokenFile: "no.token" } }, /^user a of .*ENOENT/],
];

for (const [name, change, words] of CREDENTIALS)
  test(name, async () => assert.match(await asked(change), words));

test("a plugin beside the kubeconfig and an HTTP server are used as kubectl does", async () => {
  const credential = { apiVersion: "v1", kind: "ExecCredential", status: { token: "t" } };
  const plugin = written("plugin", `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`);
  chmodSync(plugin, 0o755);
  assert.equal(await asked({ user: { exec: { command: "./plugin" } } }), "away");
  assert.equal(await asked({ cluster: { server: "http://127.0.0.1:1" } }), "away");
});

test("json and yaml say the same; what is undefined is in neither", () => {
  const value = { a: ["x: y", "no"], b: undefined, c: { d: 1.5 } };
  const read = [JSON.parse(formatted(value, "json") ?? ""), parse(formatted(value, "yaml") ?? "")];
  for (const one of read) assert.deepEqual(one, { a: ["x: y", "no"], c: { d: 1.5 } });
  assert.equal(formatted(value, "table"), undefined);
});
