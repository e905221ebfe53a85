/** The simulator's command line takes kubectl's words: parsing alone, nothing runs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { problemsOf, shortcomings } from "../../deploy/sim/api/check.ts";
import type { RawObject } from "../../deploy/sim/cluster/raw.ts";
import { lastLines, parseLogSource } from "../../deploy/sim/commands/logs.ts";
import { flag, replicaCount, seconds } from "../../deploy/sim/commands/numbers.ts";
import { age, objectTable } from "../../deploy/sim/commands/object-tables.ts";
import { parseVictims } from "../../deploy/sim/commands/processes.ts";
import {
  parseMarks,
  parseOne,
  parseSelector,
  parseTargets,
  refuseBadLabels,
} from "../../deploy/sim/commands/resource-args.ts";
import { parseAwaitedState } from "../../deploy/sim/commands/wait.ts";

const SCOPE = { namespace: "default" };

function said(words: string, scope: Partial<Parameters<typeof parseTargets>[1]> = {}): string[] {
  return parseTargets(words.split(" "), { ...SCOPE, ...scope }).map(
    ({ kind, names }) => `${kind}:${names.join("+")}`,
  );
}

test("objects are named as kubectl names them", () => {
  assert.deepEqual(said("pod a b"), ["Pod:a+b"]);
  assert.deepEqual(said("deploy/a svc/b"), ["Deployment:a", "Service:b"]);
  assert.deepEqual(said("deployment.apps/a"), ["Deployment:a"]);
  assert.deepEqual(said("po,svc,sts", { selector: "a=b" }), ["Pod:", "Service:", "StatefulSet:"]);
  assert.deepEqual(parseTargets(["pods"], SCOPE, "kind-alone-means-all").length, 1);
  assert.deepEqual(said("pods", { all: true }), ["Pod:"]);
  assert.deepEqual(parseOne("web-0", "ns").names, ["web-0"]);
  assert.equal(parseOne("deploy/web", "ns").kind, "Deployment");
});

test("what says nothing, or two things, is refused with the next step", () => {
  const wrong: readonly (readonly [string, Parameters<typeof said>[1], RegExp])[] = [
    ["pods", {}, /say which Pod/],
    ["pod a", { all: true }, /can't be used together/],
    ["pod/a", { selector: "a=b" }, /can't be used together/],
    ["pods", { selector: "a=b", all: true }, /can't be used together/],
    ["gizmo a", {}, /doesn't have a resource type "gizmo"; it has: pod/],
    ["pod/", {}, /"pod\/" is not KIND\/NAME/],
    ["pod/a/b", {}, /is not KIND\/NAME/],
    ["pod/a b", {}, /"b" is not KIND\/NAME/],
    ["pods", { selector: "a in (b)" }, /other selectors are not supported/],
  ];
  for (const [words, scope, message] of wrong)
    assert.throws(() => said(words, scope), message, words);
});

test("labels and annotations: KEY=VALUE sets, KEY- removes, other words are objects", () => {
  assert.deepEqual(parseMarks(["pod", "a", "mesh/enabled=true", "x=", "y-"]), {
    resources: ["pod", "a"],
    changes: { "mesh/enabled": "true", x: "", y: null },
  });
  assert.throws(() => parseMarks(["pod", "a"]), /KEY=VALUE, or KEY- to remove/);
  assert.throws(() => parseMarks(["pod", "a", "b c=1"]), /"b c" is not a key/);
  assert.throws(() => refuseBadLabels({ tier: "a b" }), /no value of a label/);
  refuseBadLabels({ tier: "web", gone: null, empty: "" });
  assert.deepEqual(parseSelector("a=b,c==d"), { a: "b", c: "d" });
});

test("kill knows processes of the mesh from pods", () => {
  assert.deepEqual(parseVictims(["agent", "node-1"], SCOPE), ["agent/node-1"]);
  assert.deepEqual(parseVictims(["control"], SCOPE), ["control"]);
  const [pod] = parseVictims(["pod", "a"], SCOPE);
  assert.ok(typeof pod === "object" && pod.kind === "Pod" && pod.names[0] === "a");
  assert.throws(() => parseVictims(["order-1"], SCOPE), /a pod is pod\/order-1/);
  assert.throws(() => parseVictims(["pod/a"], { ...SCOPE, stayDead: true }), /can't stay dead/);
});

test("numbers, times and conditions", () => {
  assert.deepEqual(["5", "5s", "500ms", "2m", "0"].map(seconds), [5, 5, 0.5, 120, 0]);
  for (const text of ["", "-1", "x", "5 s", "1e3"]) assert.throws(() => seconds(text), text);
  assert.equal(replicaCount("12"), 12);
  for (const text of ["", "-1", "1.5", "1001"]) assert.throws(() => replicaCount(text), text);
  assert.equal(flag("false"), false);
  assert.throws(() => flag("no"));
  assert.equal(parseAwaitedState("condition=ready"), "Ready");
  assert.equal(parseAwaitedState("delete"), "deleted");
  assert.throws(() => parseAwaitedState("condition=Pretty"));
});

test("the last lines of a log, with and without a line feed at its end", () => {
  const tail = (text: string, lines: number) => lastLines(Buffer.from(text), lines).toString();
  assert.equal(tail("a\nb\nc\n", 2), "b\nc\n");
  assert.equal(tail("a\nb\nc", 2), "b\nc");
  assert.equal(tail("a\nb\n", 9), "a\nb\n");
  assert.equal(tail("a\nb\n", 0), "");
  assert.equal(tail("a\n\n", 1), "\n");
  assert.equal(tail("", 3), "");
  assert.equal(tail("a\nb\n", -1), "a\nb\n");
});

test("tables: columns by kind, more with wide, a namespace with -A", () => {
  const pod: RawObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "n", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { containers: [{}, {}], nodeName: "node-1" },
    status: {
      phase: "Running",
      podIPs: [{ ip: "10.0.0.1" }],
      containerStatuses: [
        { ready: true, restartCount: 1, state: { running: {} } },
        { ready: false, restartCount: 2, state: { waiting: { reason: "CrashLoopBackOff" } } },
      ],
    },
  };
  const nowMs = Date.parse("2026-01-01T00:05:00Z");
  const plain = { wide: false, namespaces: false, prefixed: false, nowMs };
  assert.deepEqual(objectTable([pod], plain), [
    "NAME   READY   STATUS             RESTARTS   AGE",
    "a      1/2     CrashLoopBackOff   3          5m",
  ]);
  const [head = "", row = ""] = objectTable([pod], { ...plain, wide: true, namespaces: true });
  assert.match(head, /^NAMESPACE +NAME .*IP +NODE +AGE$/);
  assert.match(row, /^n +a .*10\.0\.0\.1 +node-1 +5m$/);
  assert.deepEqual([age(undefined, 0), age("1970-01-01T00:00:00Z", 119_000)], ["-", "119s"]);
});

const container = { name: "main", command: ["true"] };

function deployment(spec: object): RawObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d" },
    spec: {
      selector: { matchLabels: { app: "d" } },
      template: { metadata: { labels: { app: "d" } }, spec: { containers: [container] } },
      ...spec,
    },
  };
}

test("objects that can't run are refused, each with its field", () => {
  assert.deepEqual(problemsOf([deployment({})]), []);
  const pod = (spec: object): RawObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    spec: { containers: [container], ...spec },
  });
  const service = (ports: readonly object[]): RawObject => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s" },
    spec: { ports },
  });
  const wrong: readonly (readonly [RawObject, RegExp])[] = [
    [deployment({ selector: { matchLabels: { app: "x" } } }), /does not match spec.template/],
    [deployment({ selector: { matchLabels: {} } }), /must hold a label/],
    [pod({ containers: [] }), /at least one container/],
    [pod({ containers: [container, container] }), /two are named "main"/],
    [pod({ containers: [{ name: "x", image: "redis" }] }), /image "redis" is not built into/],
    [pod({ restartPolicy: "Sometimes" }), /restartPolicy must be/],
    [service([]), /at least one port/],
    [service([{ port: 80 }, { port: 81 }]), /must have a name/],
    [
      service([
        { name: "a", port: 80 },
        { name: "b", port: 80 },
      ]),
      /80\/TCP is there twice/,
    ],
    [{ ...pod({}), kind: "Node", spec: {} }, /can't run a Node/],
  ];
  for (const [raw, message] of wrong) assert.match(problemsOf([raw])[0] ?? "none", message);
});

test("what an object asks for in vain is said", () => {
  const template = {
    metadata: { labels: { app: "d" } },
    spec: {
      volumes: [{ name: "v" }],
      hostNetwork: true,
      containers: [
        { ...container, env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { key: "k" } } }] },
      ],
    },
  };
  const words = shortcomings(deployment({ template })).join("\n");
  assert.match(words, /hostNetwork is not simulated/);
  assert.match(words, /volumes are not simulated/);
  assert.match(words, /variable PASSWORD stays empty/);
  assert.deepEqual(shortcomings(deployment({})), []);
});

test("a Service hears that its families are overridden, when they are", () => {
  const said = (spec: object): string =>
    shortcomings({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web" },
      spec: { ports: [{ port: 80 }], ...spec },
    } as RawObject).join("\n");
  const dual = ["IPv4", "IPv6"];
  assert.match(said({ ipFamilies: ["IPv4"] }), /^service\/web: ipFamilies \[IPv4\] is overridden/);
  assert.match(said({ ipFamilies: ["IPv6", "IPv4"] }), /ipFamilies \[IPv6, IPv4\] is overridden/);
  assert.match(said({ ipFamilyPolicy: "SingleStack" }), /ipFamilyPolicy SingleStack is overridden/);
  assert.match(said({ clusterIP: "None", ipFamilies: ["IPv6"] }), /overridden/);
  assert.equal(said({}), "");
  assert.equal(said({ ipFamilies: null }), "");
  assert.equal(said({ ipFamilyPolicy: "RequireDualStack", ipFamilies: dual }), "");
  assert.equal(said({ type: "ExternalName", ipFamilies: ["IPv4"] }), "");
});

test("logs: processes of the mesh by their names, everything else is a pod's container", () => {
  const of = (word: string, container?: string) =>
    parseLogSource(word, { container, namespace: "default" });
  assert.deepEqual(of("agent/node-1"), { kind: "daemon", name: "agent/node-1" });
  assert.deepEqual(of("control"), { kind: "daemon", name: "control" });
  const pod = { namespace: "default", selector: {}, all: false, kind: "Pod", names: ["control"] };
  assert.deepEqual(of("pod/control"), { kind: "container", target: pod });
  assert.deepEqual(of("pod/control", "main"), {
    kind: "container",
    target: pod,
    container: "main",
  });
  assert.throws(() => of("control", "main"), /has no containers/);
});
