/** What `nodemesh upgrade` says of a cluster, asked of one that answers from memory. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Manifest } from "../../../deploy/manifests/meta.ts";
import { installObjects } from "../../../deploy/manifests/objects.ts";
import { parseOptions } from "../../../deploy/manifests/options.ts";
import type { Api, ApiAnswer } from "../cluster.ts";
import { planUpgrade } from "./command.ts";

const FLAGS = { namespace: "nodemesh", set: [] };

const OPERATOR = { resources: [{ kind: "PodMonitor" }, { kind: "PrometheusRule" }] };

/** Answers with these objects, singly and as lists of those that a selector chooses. */
function cluster(objects: readonly Manifest[], operator?: typeof OPERATOR): Api {
  const plural = ({ kind }: Manifest): string => `${kind.toLowerCase()}s`;
  return {
    server: "https://memory",
    post: () => assert.fail("an upgrade writes nothing"),
    get: (path): Promise<ApiAnswer> => {
      const { pathname, searchParams } = new URL(path, "https://memory");
      const selector = searchParams.get("labelSelector");
      const words = pathname.split("/");
      const ok = (body: unknown): ApiAnswer => ({ kind: "ok", body, headers: {} });
      if (operator !== undefined && pathname === "/apis/monitoring.coreos.com/v1")
        return Promise.resolve(ok(operator));
      if (operator === undefined && pathname.includes("monitoring.coreos.com"))
        return Promise.resolve({ kind: "refused", status: 404, problem: "not found" });
      if (selector !== null) {
        assert.equal(selector, "app.kubernetes.io/part-of=nodemesh");
        return Promise.resolve(
          ok({ items: objects.filter((one) => plural(one) === words.at(-1)) }),
        );
      }
      const found = objects.find(
        (one) => plural(one) === words.at(-2) && one.metadata.name === words.at(-1),
      );
      const missing = { kind: "refused", status: 404, problem: "not found" } as const;
      return Promise.resolve(found === undefined ? missing : ok(found));
    },
  };
}

function installed(chosen: readonly string[] = []): readonly Manifest[] {
  return installObjects(parseOptions({}), chosen);
}

test("objects of an older version are named, whether of a namespace or the whole cluster", async () => {
  const [, definition] = installed();
  const labels = definition?.metadata.labels ?? {};
  const old: readonly Manifest[] = [
    { apiVersion: "v1", kind: "Service", metadata: { name: "old", namespace: "nodemesh", labels } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "old", labels },
    },
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "other", labels } },
  ];
  const { told, objects } = await planUpgrade(cluster([...installed(), ...old]), FLAGS);
  assert.deepEqual(told, [
    "clusterrole/old: removed, but stays until you say: kubectl delete clusterrole old",
    "service/old: removed, but stays until you say: kubectl -n nodemesh delete service old",
    `0 new, 0 changed, ${objects.length} unchanged, 2 removed`,
  ]);
});

test("options of the installation are kept, and said; nothing is warned of", async () => {
  const set = ["agent.workers=2"];
  const { told, objects } = await planUpgrade(cluster(installed(set)), FLAGS);
  assert.equal(told[0], "kept: --set agent.workers=2");
  assert.ok(JSON.stringify(objects).includes("--workers=2"));
  assert.ok(!told.join().includes("warning"));
});

test("without the options of the installation it warns, and points Helm's users to Helm", async () => {
  const bare = installed().map(({ metadata: { annotations: _, ...metadata }, ...rest }) => ({
    ...rest,
    metadata,
  })) as readonly Manifest[];
  const [warned] = (await planUpgrade(cluster(bare), FLAGS)).told;
  assert.match(
    warned ?? "",
    /^warning: namespace nodemesh has no annotation .*default of every option/,
  );
  const byHelm = bare.map((one) =>
    one.kind === "Namespace"
      ? one
      : {
          ...one,
          metadata: { ...one.metadata, annotations: { "meta.helm.sh/release-name": "mesh" } },
        },
  );
  const [helm] = (await planUpgrade(cluster(byHelm), FLAGS)).told;
  assert.match(
    helm ?? "",
    /^warning: Helm .*helm upgrade mesh deploy\/helm -n nodemesh --reset-then-reuse-values/,
  );
});

test("where nothing is installed it says what to do instead", async () => {
  await assert.rejects(planUpgrade(cluster([]), FLAGS), /does not exist: nodemesh install/);
});

test("dashboards that are not asked for any more are named with the command that deletes them", async () => {
  const set = ["grafana.dashboards=true"];
  const there = installObjects(parseOptions({ grafana: { dashboards: true } }), set);
  const without = { ...FLAGS, set: ["grafana.dashboards=false"] };
  const { told, objects } = await planUpgrade(cluster(there), without);
  const name = "nodemesh-dashboard-mesh";
  assert.ok(
    told.includes(
      `configmap/${name}: removed, but stays until you say: kubectl -n nodemesh delete configmap ${name}`,
    ),
    told.join("\n"),
  );
  assert.match(told.at(-1) ?? "", / 6 removed$/);
  assert.ok(!objects.some(({ kind }) => kind === "ConfigMap"));
  assert.match((await planUpgrade(cluster(there), FLAGS)).told.at(-1) ?? "", /^0 new, 0 changed/);
});

test("PodMonitors are kept and named when they are not asked for any more; without the operator they are refused", async () => {
  const set = ["prometheus.podMonitors=true", "prometheus.labels.release=kps"];
  const prometheus = { podMonitors: true, labels: { release: "kps" } };
  const there = installObjects(parseOptions({ prometheus }), set);
  const kept = await planUpgrade(cluster(there, OPERATOR), FLAGS);
  assert.ok(kept.told.includes("kept: --set prometheus.labels.release=kps"));
  assert.match(kept.told.at(-1) ?? "", /^0 new, 0 changed/);
  const without = { ...FLAGS, set: ["prometheus.podMonitors=false"] };
  const { told } = await planUpgrade(cluster(there, OPERATOR), without);
  assert.ok(
    told.includes(
      "podmonitor/nodemesh-agent: removed, but stays until you say: kubectl -n nodemesh delete podmonitor nodemesh-agent",
    ),
    told.join("\n"),
  );
  await assert.rejects(
    planUpgrade(cluster(there), FLAGS),
    /https:\/\/memory does not know PodMonitor: install the Prometheus operator there first .*--set prometheus\.podMonitors=false/,
  );
});
