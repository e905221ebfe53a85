import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { ROOT } from "../../test/support/source-files.ts";
import { DASHBOARDS } from "../grafana/dashboards.ts";
import { alsoRemoved, installObjects, uninstallObjects } from "./objects.ts";
import { allowedValues, nearestOption, OPTION_TABLE } from "./option-table.ts";
import { parseOptions } from "./options.ts";

interface Probe {
  readonly httpGet: { readonly host?: string; readonly port: number | string };
}

/** The parts of a PodMonitor that matter here. */
interface MonitorSpec {
  readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly podMetricsEndpoints?: readonly { readonly port: string }[];
}

/** The parts of a DaemonSet or Deployment that an operator may ask for. */
interface AskedSet {
  readonly spec: {
    readonly updateStrategy: { readonly rollingUpdate: { readonly maxUnavailable: unknown } };
    readonly template: {
      readonly metadata: {
        readonly labels: Readonly<Record<string, string>>;
        readonly annotations: Readonly<Record<string, string>>;
      };
      readonly spec: {
        readonly containers: readonly {
          readonly image: string;
          readonly resources: { readonly limits: unknown };
        }[];
        readonly priorityClassName: string;
        readonly imagePullSecrets: unknown;
        readonly nodeSelector: unknown;
        readonly tolerations: unknown;
        readonly affinity: object;
      };
    };
  };
}

/** The parts of pods that matter here. */
interface Template {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly hostNetwork?: boolean;
    readonly serviceAccountName: string;
    readonly priorityClassName: string;
    readonly containers: readonly {
      readonly args: readonly string[];
      readonly ports: readonly { readonly name: string }[];
      readonly env?: readonly { readonly name: string; readonly valueFrom: unknown }[];
      readonly startupProbe?: Probe;
      readonly readinessProbe?: Probe;
      readonly livenessProbe?: Probe;
      readonly securityContext: {
        readonly privileged?: boolean;
        readonly seLinuxOptions?: { readonly type: string; readonly level: string };
        readonly readOnlyRootFilesystem: boolean;
        readonly capabilities: {
          readonly drop: readonly string[];
          readonly add?: readonly string[];
        };
      };
    }[];
  };
}

const objects = installObjects(parseOptions({}));

function templateOf(kind: string): Template {
  const found = objects.find((object) => object.kind === kind);
  const { template } = (found?.["spec"] ?? {}) as { template?: Template };
  assert.ok(template, kind);
  return template;
}

describe("what is installed", () => {
  test("the agent is not privileged, and control has no capability at all", () => {
    const [agent] = templateOf("DaemonSet").spec.containers;
    assert.equal(agent?.securityContext.privileged, false);
    assert.deepEqual(agent?.securityContext.capabilities, {
      drop: ["ALL"],
      add: ["BPF", "PERFMON", "NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"],
    });
    assert.deepEqual(agent?.securityContext.seLinuxOptions, { type: "spc_t", level: "s0" });
    const control = templateOf("Deployment").spec;
    assert.equal(control.hostNetwork, undefined);
    assert.deepEqual(control.containers[0]?.securityContext.capabilities, { drop: ["ALL"] });
    for (const { containers } of [templateOf("DaemonSet").spec, control])
      assert.ok(containers.every(({ securityContext }) => securityContext.readOnlyRootFilesystem));
  });

  test("kubelet probes the agent on the node's loopback, where its probes listen", () => {
    const [agent] = templateOf("DaemonSet").spec.containers;
    assert.ok(agent?.args.includes("--probes=127.0.0.1:15022"), "--probes");
    const { startupProbe, readinessProbe, livenessProbe } = agent ?? {};
    for (const probe of [startupProbe, readinessProbe, livenessProbe])
      assert.deepEqual([probe?.httpGet.host, probe?.httpGet.port], ["127.0.0.1", 15_022]);
  });

  test("the agent knows the limit of its container, whoever set it", () => {
    const [agent] = templateOf("DaemonSet").spec.containers;
    assert.ok(agent?.args.includes("--memory-limit-bytes=$(MEMORY_LIMIT)"), "--memory-limit-bytes");
    assert.deepEqual(agent?.env?.find(({ name }) => name === "MEMORY_LIMIT")?.valueFrom, {
      resourceFieldRef: { resource: "limits.memory", divisor: "0" },
    });
  });

  test("nobody but control is given a role, and no role holds a wildcard", () => {
    const text = JSON.stringify(objects.filter(({ kind }) => /Role/.test(kind)));
    assert.ok(!text.includes('"*"'));
    const bindings = objects.filter(({ kind }) => kind.endsWith("RoleBinding"));
    assert.equal(bindings.length, 2);
    for (const { subjects } of bindings as unknown as { subjects: { name: string }[] }[])
      assert.deepEqual(
        subjects.map(({ name }) => name),
        ["nodemesh-control"],
      );
  });

  test("Kubernetes' roles view, edit and admin may look at ServiceMeshes, the last two change them", () => {
    const rightsOf = (name: string) =>
      objects
        .filter(({ metadata }) => metadata.labels[`rbac.authorization.k8s.io/aggregate-to-${name}`])
        .flatMap((role) => role["rules"] as { resources: string[]; verbs: string[] }[])
        .flatMap(({ resources, verbs }) => verbs.map((verb) => `${verb} ${resources.join()}`))
        .join(", ");
    const looks = "get servicemeshes, list servicemeshes, watch servicemeshes";
    assert.equal(rightsOf("view"), looks);
    const changes = ["create", "update", "patch", "delete", "deletecollection"];
    const both = [looks, ...changes.map((verb) => `${verb} servicemeshes`)].join(", ");
    assert.deepEqual([rightsOf("edit"), rightsOf("admin")], [both, both]);
  });

  test("namespace and definition come first, and go last; the agents go first, their account before them", () => {
    const kinds = (all: typeof objects) => all.map(({ kind }) => kind);
    assert.deepEqual(kinds(objects).slice(0, 2), ["Namespace", "CustomResourceDefinition"]);
    const removed = kinds(uninstallObjects(parseOptions({})));
    assert.deepEqual(removed.slice(0, 2), ["ServiceAccount", "DaemonSet"]);
    assert.equal(uninstallObjects(parseOptions({}))[0]?.metadata.name, "nodemesh-agent");
    assert.deepEqual(removed.slice(-2), ["CustomResourceDefinition", "Namespace"]);
    assert.equal(removed.length, objects.length);
  });

  test("a quota lets critical pods run outside kube-system, before the first of them and until the last", () => {
    const quota = objects.find(({ kind }) => kind === "ResourceQuota");
    assert.deepEqual(quota?.["spec"], {
      hard: { pods: "100k" },
      scopeSelector: {
        matchExpressions: [
          {
            scopeName: "PriorityClass",
            operator: "In",
            values: ["system-node-critical", "system-cluster-critical"],
          },
        ],
      },
    });
    const classes = ["DaemonSet", "Deployment"].map(
      (kind) => templateOf(kind).spec.priorityClassName,
    );
    assert.deepEqual(classes, ["system-node-critical", "system-cluster-critical"]);
    const place = (all: typeof objects, kind: string) => all.findIndex((one) => one.kind === kind);
    const removed = uninstallObjects(parseOptions({}));
    for (const kind of ["DaemonSet", "Deployment"]) {
      assert.ok(place(objects, "ResourceQuota") < place(objects, kind), kind);
      assert.ok(place(removed, "ResourceQuota") > place(removed, kind), kind);
    }
  });

  test("a namespace that is kept loses all that nodemesh and control made in it, and nothing else", () => {
    const options = parseOptions({ namespace: "shared" });
    const removed = uninstallObjects(options, "kept");
    const all = installObjects(options).filter(({ kind }) => kind !== "Namespace");
    assert.deepEqual(
      removed.slice(0, 2).map(({ kind }) => kind),
      ["ServiceAccount", "DaemonSet"],
    );
    assert.ok(all.every(({ kind }) => removed.some((one) => one.kind === kind)));
    const asked = removed.filter(
      ({ kind, metadata }) =>
        /dashboard-/.test(metadata.name) || /^(?:PodMonitor|PrometheusRule)$/.test(kind),
    );
    assert.equal(asked.length, DASHBOARDS.length + 3);
    const made = removed.slice(all.length + asked.length);
    const titles = made.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    // After the roles: control could make them again.
    assert.deepEqual(titles, [
      "Secret/nodemesh-ca",
      "ConfigMap/nodemesh-root",
      "Lease/nodemesh-control",
    ]);
    assert.ok(made.every(({ metadata }) => metadata.namespace === "shared"));
    assert.match(alsoRemoved(options, "kept").join("\n"), /namespace\/shared stays/);
    assert.match(
      alsoRemoved(options, "kept").join("\n"),
      /another namespace needs nodemesh upgrade/,
    );
    assert.match(
      alsoRemoved(options, "deleted").join("\n"),
      /every ServiceMesh[\s\S]*shared goes with everything in it.*--keep-namespace/,
    );
  });

  test("dashboards come when asked for, each as it is, with the label of Grafana's sidecar", () => {
    const asked = installObjects(parseOptions({ grafana: { dashboards: true } }));
    const maps = asked.filter(({ kind }) => kind === "ConfigMap");
    assert.deepEqual(
      maps.map(({ metadata: { name, namespace, labels } }) => [
        name,
        namespace,
        labels["grafana_dashboard"],
      ]),
      DASHBOARDS.map(({ uid }) => uid.replace("nodemesh-", "nodemesh-dashboard-"))
        .sort()
        .map((name) => [name, "nodemesh", "1"]),
    );
    const files = maps.flatMap(({ data }) => Object.entries(data as Record<string, string>));
    assert.equal(files.length, DASHBOARDS.length);
    for (const [name, text] of files)
      assert.equal(text, readFileSync(join(ROOT, "deploy/grafana/json", name), "utf8"));
    // kubectl apply notes the whole object in an annotation; all annotations together may have 256 KiB.
    for (const map of maps) assert.ok(JSON.stringify(map).length < 200_000, map.metadata.name);
    assert.ok(!objects.some(({ kind }) => kind === "ConfigMap"));
  });

  test("the operator's objects come when asked for, select what is installed, and have the labels that were asked for", () => {
    const labels = { release: "kps" };
    const asked = installObjects(
      parseOptions({ prometheus: { podMonitors: true, rules: true, labels } }),
    );
    const added = asked.filter(({ apiVersion }) => apiVersion === "monitoring.coreos.com/v1");
    assert.deepEqual(
      added.map(({ kind, metadata }) => `${kind}/${metadata.name} ${metadata.labels["release"]}`),
      [
        "PodMonitor/nodemesh-agent kps",
        "PodMonitor/nodemesh-control kps",
        "PrometheusRule/nodemesh kps",
      ],
    );
    const specs = added.map((object) => object["spec"] as MonitorSpec);
    for (const [index, kind] of ["DaemonSet", "Deployment"].entries()) {
      const { metadata, spec } = templateOf(kind);
      const { selector, podMetricsEndpoints = [] } = specs[index] ?? {};
      for (const [name, text] of Object.entries(selector?.matchLabels ?? assert.fail(kind)))
        assert.equal(metadata.labels[name], text, kind);
      const ports = spec.containers.flatMap((one) => one.ports.map(({ name }) => name));
      for (const { port } of podMetricsEndpoints)
        assert.ok(ports.includes(port), `${kind} ${port}`);
      assert.equal(podMetricsEndpoints.length, 1);
    }
    const file = readFileSync(join(ROOT, "deploy/prometheus/prometheusrule.yaml"), "utf8");
    assert.deepEqual(added[2]?.["spec"], (parse(file) as { spec: unknown }).spec);
    assert.ok(!objects.some(({ apiVersion }) => apiVersion === "monitoring.coreos.com/v1"));
  });

  test("what an operator asks of objects and pods is there, and what is the mesh's own stays", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    const asked = installObjects(
      parseOptions({
        labels: { team: "a" },
        annotations: { note: "b" },
        image: { agentDigest: digest, pullSecrets: [{ name: "registry" }] },
        agent: {
          maxUnavailable: "25%",
          cpuLimit: "2",
          priorityClass: "mine",
          podLabels: { team: "agents" },
          podAnnotations: { extra: "c" },
          nodeSelector: { pool: "x" },
        },
        control: { affinity: { podAffinity: {} } },
      }),
    );
    for (const { kind, metadata } of asked) {
      assert.equal(metadata.labels["team"], "a", kind);
      assert.equal(metadata.annotations?.["note"], "b", kind);
      assert.equal(metadata.labels["app.kubernetes.io/part-of"], "nodemesh", kind);
    }
    const set = asked.find(({ kind }) => kind === "DaemonSet") as unknown as AskedSet;
    const { template, updateStrategy } = set.spec;
    assert.equal(updateStrategy.rollingUpdate.maxUnavailable, "25%");
    assert.equal(template.metadata.labels["team"], "agents");
    assert.equal(template.metadata.labels["app.kubernetes.io/component"], "agent");
    const { note, extra, "prometheus.io/scrape": scrape } = template.metadata.annotations;
    assert.deepEqual([note, extra, scrape], ["b", "c", "true"]);
    const { containers, ...pod } = template.spec;
    assert.equal(containers[0]?.image, `nodemesh/agent:0.1.0@${digest}`);
    assert.deepEqual(containers[0]?.resources.limits, { memory: "1Gi", cpu: "2" });
    assert.equal(pod.priorityClassName, "mine");
    assert.deepEqual(pod.imagePullSecrets, [{ name: "registry" }]);
    assert.deepEqual(pod.nodeSelector, { "kubernetes.io/os": "linux", pool: "x" });
    // Else a tainted node would lose the mesh.
    assert.deepEqual(pod.tolerations, [{ operator: "Exists" }]);
    const control = asked.find(({ kind }) => kind === "Deployment") as unknown as AskedSet;
    assert.deepEqual(Object.keys(control.spec.template.spec.affinity).sort(), [
      "podAffinity",
      "podAntiAffinity",
    ]);
  });

  test("values are laid over the defaults as Helm does it: maps by entry, null takes one away", () => {
    const labels = { a: "1", b: null };
    assert.deepEqual(parseOptions({ prometheus: { labels } }).prometheus.labels, { a: "1" });
    assert.equal(parseOptions({ agent: { workers: null } }).agent.workers, 1);
  });

  test("everything of a namespace follows --namespace", () => {
    const elsewhere = JSON.stringify(installObjects(parseOptions({ namespace: "elsewhere" })));
    assert.ok(!/"namespace":"nodemesh"|control\.nodemesh\.svc/.test(elsewhere));
  });
});

describe("options", () => {
  test("a value that can't be is refused with the option's name", () => {
    const bad: readonly (readonly [object, RegExp])[] = [
      [{ agent: { workers: 0 } }, /option agent\.workers: .*--help/],
      [{ agent: { metricsPort: 70_000 } }, /option agent\.metricsPort: /],
      [{ image: { tag: "a b" } }, /option image\.tag: must be an image tag/],
      [{ image: { agent: "nodemesh/agent:1" } }, /option image\.agent: .* without tag and digest/],
      [{ image: { agent: `mesh/agent@sha256:${"0".repeat(64)}` } }, /option image\.agent: /],
      [{ image: { control: "registry:5000" } }, /option image\.control: /],
      [{ image: { control: "a//b" } }, /option image\.control: /],
      [
        { control: { requests: { memory: "2Gi" } } },
        /option control\.memoryLimit: .* below requests/,
      ],
      [
        { agent: { memoryLimit: "191Mi" } },
        /option agent\.memoryLimit: must not be below requests/,
      ],
      [{ control: { memoryLimit: "much" } }, /option control\.memoryLimit: must be a quantity/],
      [
        { agent: { requests: { memory: "1.5Gi" }, memoryLimit: "1600M" } },
        /option agent\.memoryLimit: must not be below requests\.memory/,
      ],
      [
        { control: { memoryLimit: "100Mi" } },
        /option control\.memoryLimit: must not be below requests\.memory/,
      ],
      [{ namespace: "Upper" }, /option namespace: must be lower-case/],
      [{ namespace: "default" }, /option namespace: must be a namespace of the mesh's own/],
      [{ namespace: "kube-system" }, /option namespace: must be a namespace of the mesh's own/],
      [{ agent: { cores: 2 } }, /there is no option agent\.cores/],
    ];
    for (const [values, words] of bad) assert.throws(() => parseOptions(values), words);
  });

  test("an image may name a registry and its port, a limit may be its request", () => {
    for (const agent of ["agent", "registry.example:5000/a/b-c/agent_x", "localhost:5000/agent"])
      assert.equal(parseOptions({ image: { agent } }).image.agent, agent);
    const same = { requests: { memory: "1Gi" }, memoryLimit: "1024Mi" };
    assert.equal(parseOptions({ agent: same }).agent.memoryLimit, "1024Mi");
  });

  test("each option has a description and a default that is allowed", () => {
    assert.ok(OPTION_TABLE.length > 10);
    for (const { path, schema } of OPTION_TABLE) {
      assert.ok(schema.description.length > 3, path);
      assert.ok(schema.enum?.includes(String(schema.default)) ?? true, path);
    }
    const workers = OPTION_TABLE.find(({ path }) => path === "agent.workers");
    assert.equal(workers && allowedValues(workers), "a whole number, 1 to 256");
  });

  test("a misspelt option is answered with the nearest one, nonsense with none", () => {
    assert.equal(nearestOption("agent.worker"), "agent.workers");
    assert.equal(nearestOption("workers"), "agent.workers");
    assert.equal(nearestOption("image.Tag"), "image.tag");
    assert.equal(nearestOption("xyz"), undefined);
  });
});
