/** The Helm chart gives the objects that `nodemesh install` prints, whatever the options: asked of real Helm. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { before, test } from "node:test";
import { Document, parseAllDocuments } from "yaml";
import { installObjects } from "../../../../../deploy/manifests/objects.ts";
import { parseOptions } from "../../../../../deploy/manifests/options.ts";
import { ROOT } from "../../../../support/source-files.ts";
import { ensureBinaries } from "../../../build/binaries.ts";

const CHART = join(ROOT, "deploy/helm");

/** A cluster with the Prometheus operator's definitions. */
const OPERATOR = ["PodMonitor", "PrometheusRule"].flatMap((kind) => [
  "--api-versions",
  `monitoring.coreos.com/v1/${kind}`,
]);

/** What an option may be set to, by its path. */
type Values = Readonly<Record<string, unknown>>;

const EVERYTHING: Values = {
  "image.agent": "registry.example:5000/mesh/agent",
  "image.control": "registry.example:5000/mesh/control",
  "image.tag": "1.10",
  "image.pullPolicy": "Always",
  "image.agentDigest": `sha256:${"a".repeat(64)}`,
  "image.controlDigest": `sha256:${"0".repeat(64)}`,
  "image.pullSecrets": [{ name: "one" }, { name: "two.example" }],
  labels: { team: "mesh", "example.com/cost": "7" },
  annotations: { note: 'a: "b" {{ c }} <d>' },
  "control.replicas": 3,
  "control.requests.cpu": "1500m",
  "control.requests.memory": "0.5Gi",
  "control.memoryLimit": "2Gi",
  "control.cpuLimit": "2",
  "control.nodeSelector": { pool: "infra" },
  "control.tolerations": [{ key: "infra", operator: "Equal", value: "yes", effect: "NoSchedule" }],
  "control.affinity": {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] }],
      },
    },
  },
  "control.priorityClass": "high",
  "control.podLabels": { team: "control" },
  "control.podAnnotations": { "example.com/log": "yes" },
  "agent.requests.cpu": "2",
  "agent.requests.memory": "512M",
  "agent.memoryLimit": "4Gi",
  "agent.workers": 4,
  "agent.accessLog": 0.25,
  "agent.drainSeconds": 3600,
  "agent.metricsPort": 65_535,
  "agent.probePort": 1,
  "agent.maxUnavailable": "25%",
  "agent.cpuLimit": "2500m",
  "agent.nodeSelector": { "kubernetes.io/os": null, meshed: "true" },
  "agent.tolerations": [{ key: "a", operator: "Exists", tolerationSeconds: 30 }],
  "agent.affinity": { podAffinity: {} },
  "agent.priorityClass": "highest",
  "agent.podLabels": { "example.com/team": "agents" },
  "agent.podAnnotations": { note: "of the pod" },
  "grafana.dashboards": true,
  "prometheus.podMonitors": true,
  "prometheus.rules": true,
  "prometheus.labels": { release: "kps", "example.com/team": "7" },
};

let helm = "";
before(async () => {
  const built = await ensureBinaries(["helm"], (line) => process.stdout.write(`${line}\n`));
  helm = built["helm"] ?? "";
});

function rendered(namespace: string, values: Values): readonly unknown[] {
  const sets = Object.entries(values).flatMap(([path, value]) => [
    "--set-json",
    `${path}=${JSON.stringify(value)}`,
  ]);
  const args = ["template", "release", CHART, "--namespace", namespace, ...OPERATOR, ...sets];
  const text = execFileSync(helm, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  return parseAllDocuments(text)
    .map((document): unknown => document.toJS())
    .filter((object) => object !== null);
}

function installed(namespace: string, values: Values): readonly unknown[] {
  const tree = new Document({});
  for (const [path, value] of Object.entries(values)) tree.setIn(path.split("."), value);
  const objects = installObjects(parseOptions({ namespace, ...(tree.toJS() as object) }));
  // A release's namespace is the user's to make.
  return objects.filter(({ kind }) => kind !== "Namespace");
}

/** Helm sorts by its own order of kinds. */
function byName(objects: readonly unknown[]): readonly unknown[] {
  const key = (object: unknown): string => {
    const { kind, metadata } = object as { kind: string; metadata: { name: string } };
    return `${kind}/${metadata.name}`;
  };
  return objects.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

const CASES: readonly (readonly [name: string, namespace: string, values: Values])[] = [
  ["the defaults", "nodemesh", {}],
  ["another namespace", "mesh-system", {}],
  ["every option", "nodemesh", EVERYTHING],
  ...Object.entries(EVERYTHING).map(
    ([path, value]) => [path, "nodemesh", { [path]: value }] as const,
  ),
];

for (const [name, namespace, values] of CASES)
  test(`the chart with ${name} is what nodemesh install prints`, () => {
    const [ours, helms] = [installed(namespace, values), rendered(namespace, values)];
    // Through JSON: our objects may hold fields that are undefined.
    assert.deepEqual(byName(helms), byName(JSON.parse(JSON.stringify(ours))));
  });

test("Helm's --set takes a number where a quantity or a share is asked for", () => {
  const sets = ["agent.requests.cpu=2", "agent.memoryLimit=2147483648", "agent.accessLog=1.0"];
  const args = ["template", "x", CHART, "--namespace", "nodemesh"];
  const text = execFileSync(helm, [...args, ...sets.flatMap((set) => ["--set", set])], {
    encoding: "utf8",
  });
  assert.match(text, /cpu: "2"/);
  assert.match(text, /memory: "2147483648"/);
  assert.match(text, /--access-log=1\.0$/m);
});

test("Helm refuses what nodemesh install refuses, and names the option", () => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ["control.replicas=0", /replicas/],
    ["agent.workers=many", /workers/],
    ["agent.cores=2", /cores/],
    ["image.pullPolicy=Sometimes", /pullPolicy/],
    ["image.agent=nodemesh/agent:1", /agent/],
    ["agent.accessLog=1.5", /accessLog/],
    ["agent.accessLog=2", /accessLog/],
    ["agent.requests.cpu=-1", /cpu/],
    ["prometheus.labels.a=b c", /labels/],
    ["agent.maxUnavailable=0", /maxUnavailable/],
    ["agent.maxUnavailable=0%", /maxUnavailable/],
    ["agent.tolerations[0].effect=Never", /tolerations/],
    ["control.affinity.nodeAffinity.required=1", /affinity/],
    ["image.agentDigest=sha256:1", /agentDigest/],
    ["image.pullSecrets[0].names=x", /pullSecrets/],
    ["agent.podAnnotations.prometheus\\.io/port=1", /podAnnotations/],
    ["agent.cpuLimit=lots", /cpuLimit/],
    ["prometheus.labels.app\\.kubernetes\\.io/name=x", /labels/],
  ];
  for (const [set, words] of bad)
    assert.throws(
      () => execFileSync(helm, ["template", "x", CHART, "--set", set], { stdio: "pipe" }),
      words,
    );
});

test("Helm refuses what the cluster has no definitions for, and says what to do", () => {
  for (const option of ["prometheus.podMonitors", "prometheus.rules"])
    assert.throws(
      () =>
        execFileSync(helm, ["template", "x", CHART, "-n", "mesh", "--set", `${option}=true`], {
          stdio: "pipe",
        }),
      /install the Prometheus operator first, or leave prometheus\.\w+ false/,
    );
});

test("Helm refuses a namespace that is not the mesh's own", () => {
  for (const namespace of ["default", "kube-system"])
    assert.throws(() => rendered(namespace, {}), /not default or kube-\*/);
});

test("Helm finds nothing wrong with the chart", () => {
  const said = execFileSync(helm, ["lint", "--strict", CHART, "--namespace", "nodemesh"], {
    encoding: "utf8",
  });
  assert.match(said, /0 chart\(s\) failed/);
});
