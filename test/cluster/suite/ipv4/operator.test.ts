/** What is asked of the Prometheus operator: refused without its definitions, applied, kept, switched off and removed with them. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT } from "../../../support/source-files.ts";
import { eventually, type KubeList, type KubeObject, TestCluster } from "../../harness/cluster.ts";
import { MESH_NAMESPACE, nodemesh, uninstallMesh } from "../../harness/mesh.ts";

const cluster = new TestCluster();
const ASKED = [
  "--set",
  "grafana.dashboards=true",
  "prometheus.podMonitors=true",
  "prometheus.rules=true",
  "prometheus.labels.release=kps",
  // Nowhere: this is about objects, not about pods.
  "agent.nodeSelector.nowhere=yes",
  "control.nodeSelector.nowhere=yes",
];
const GROUP = "monitoring.coreos.com";

const text = { type: "string" };
const texts = { type: "object", additionalProperties: text };

/**
 * The operator's definitions (prometheus-operator v0.85.0), reduced to the fields that the mesh writes; with its own
 * ones, 76 KB, the same was seen by hand. Fields that they do not have would be refused by `--validate=strict`.
 */
const DEFINITIONS = [
  definition("PodMonitor", ["selector", "podMetricsEndpoints"], {
    selector: { type: "object", properties: { matchLabels: texts } },
    podMetricsEndpoints: list({ port: text, path: text }),
  }),
  definition("PrometheusRule", [], {
    groups: list({
      name: text,
      rules: list({
        alert: text,
        record: text,
        expr: { "x-kubernetes-int-or-string": true },
        for: { type: "string", pattern: "^(0|([0-9]+[smhd])+)$" },
        labels: texts,
        annotations: texts,
      }),
    }),
  }),
];

function list(properties: object): object {
  return { type: "array", items: { type: "object", properties } };
}

function definition(kind: string, required: readonly string[], properties: object): KubeObject {
  const singular = kind.toLowerCase();
  const spec = { type: "object", properties, ...(required.length > 0 && { required }) };
  const schema = { openAPIV3Schema: { type: "object", required: ["spec"], properties: { spec } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${singular}s.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { kind, singular, plural: `${singular}s` },
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  };
}

function asStandardInput(objects: string): Promise<string> {
  const words = ["apply", "--validate=strict", "-f", "-"];
  return cluster.run(cluster.spec.programs["kubectl"] ?? "kubectl", words, objects);
}

/** What upgrade says to people. */
async function said(...flags: readonly string[]): Promise<readonly string[]> {
  const script = 'exec "$0" upgrade "$@" 2>&1 >/dev/null';
  const lines = await cluster.run("/bin/sh", ["-c", script, join(ROOT, "bin/nodemesh"), ...flags]);
  return lines.trim().split("\n");
}

/** Those of the mesh's objects that are there only when asked for. */
async function extras(): Promise<readonly string[]> {
  const kinds = `podmonitors.${GROUP},prometheusrules.${GROUP},configmaps`;
  const words = [kinds, "-n", MESH_NAMESPACE, "-l", "app.kubernetes.io/part-of=nodemesh"];
  const { items } = await cluster.get<KubeList<{ kind: string; metadata: { name: string } }>>(
    ...words,
  );
  return items.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
}

async function removeDefinitions(): Promise<void> {
  const names = ["podmonitors", "prometheusrules"].map((plural) => `${plural}.${GROUP}`);
  await cluster.kubectl("delete", "crd", "--ignore-not-found", ...names);
}

before(() => uninstallMesh(cluster));
after(async () => {
  await uninstallMesh(cluster);
  await removeDefinitions();
});

test("without the operator's definitions the installation is refused, and says what to do", async () => {
  await assert.rejects(
    nodemesh(cluster, "install", ...ASKED),
    /does not know PodMonitor and PrometheusRule: install the Prometheus operator there first/,
  );
});

test("with them all of it is applied, and an upgrade changes nothing", async () => {
  await cluster.apply(DEFINITIONS);
  const objects = await eventually("the API server knows the kinds", () =>
    nodemesh(cluster, "install", ...ASKED),
  );
  await eventually("all is applied", () => asStandardInput(objects));
  assert.deepEqual(
    (await extras()).filter((name) => !name.startsWith("ConfigMap/")),
    ["PodMonitor/nodemesh-agent", "PodMonitor/nodemesh-control", "PrometheusRule/nodemesh"],
  );
  const lines = await said();
  assert.ok(lines.includes("kept: --set prometheus.labels.release=kps"), lines.join("\n"));
  assert.match(lines.at(-1) ?? "", /^0 new, 0 changed, \d+ unchanged, 0 removed$/);
});

test("what is switched off is named with the command that deletes it, and that deletes it", async () => {
  const off = ["--set", "prometheus.podMonitors=false"];
  const commands = (await said(...off)).flatMap((line) => {
    const [, words] = / removed, but stays until you say: kubectl (.+)$/.exec(line) ?? [];
    return words === undefined ? [] : [words.split(" ")];
  });
  assert.equal(commands.length, 2);
  await asStandardInput(await nodemesh(cluster, "upgrade", ...off));
  for (const words of commands) await cluster.kubectl(...words);
  assert.ok(!(await extras()).some((name) => name.startsWith("PodMonitor/")));
  assert.match((await said()).at(-1) ?? "", /^0 new, 0 changed, \d+ unchanged, 0 removed$/);
});

test("uninstalling leaves none of it, also where the namespace is kept", async () => {
  assert.equal((await extras()).length, 7);
  const objects = await nodemesh(cluster, "uninstall", "--keep-namespace");
  const words = ["delete", "--ignore-not-found", "-f", "-"];
  await cluster.run(cluster.spec.programs["kubectl"] ?? "kubectl", words, objects);
  assert.deepEqual(await extras(), []);
});
