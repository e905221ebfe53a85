/**
 * Least privilege, seen from the API server's audit log: control and agents run under the roles that `nodemesh
 * install` prints, nothing is denied to them, and they use everything that they are allowed.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CoreV1Event, V1ConfigMap } from "@kubernetes/client-node";
import { parseAllDocuments } from "yaml";
import { eventually, type KubeList, TestCluster } from "../../harness/cluster.ts";
import {
  installMesh,
  leader,
  MESH_NAMESPACE,
  nodemesh,
  uninstallMesh,
} from "../../harness/mesh.ts";
import { echoServer, pod } from "../../harness/pods.ts";

const NAMESPACE = "roles";
const ACCOUNTS = `system:serviceaccount:${MESH_NAMESPACE}:nodemesh-`;

/** The parts of an audit event that are read here (audit.k8s.io/v1). */
interface AuditEvent {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly apiGroup?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
  readonly requestReceivedTimestamp: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One permission: of one verb on one resource. */
interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly namespaced: boolean;
}

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly {
    readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

const cluster = new TestCluster();
const textOf = ({ group, resource, verb, namespaced }: Permission): string =>
  `${verb} ${resource}${group === "" ? "" : `.${group}`} in ${namespaced ? "its own namespace" : "the cluster"}`;

before(async () => {
  assert.ok(cluster.spec.audit, "the cluster keeps no audit log: up --audit");
  await uninstallMesh(cluster);
});

/** What happened since a moment on behalf of the mesh's own accounts. */
function events(since: number): readonly AuditEvent[] {
  return readFileSync(cluster.paths.auditLog, "utf8")
    .split("\n")
    .filter((line) => line.includes(ACCOUNTS) && line.endsWith("}"))
    .map((line): AuditEvent => JSON.parse(line))
    .filter(
      ({ user, requestReceivedTimestamp }) =>
        user.username.startsWith(ACCOUNTS) && Date.parse(requestReceivedTimestamp) >= since,
    );
}

/** What the mesh's own processes are granted; the roles that are added to view, edit and admin are for users. */
async function granted(): Promise<readonly Permission[]> {
  const documents = parseAllDocuments(await nodemesh(cluster, "install"));
  return documents
    .map((document): Role => document.toJS())
    .filter(({ kind }) => kind === "Role" || kind === "ClusterRole")
    .filter(({ metadata }) => metadata.name === "nodemesh-control")
    .flatMap(({ kind, rules }) =>
      (rules ?? []).flatMap(({ apiGroups, resources, verbs }) =>
        (apiGroups ?? []).flatMap((group) =>
          (resources ?? []).flatMap((resource) =>
            verbs.map((verb) => ({ group, resource, verb, namespaced: kind === "Role" })),
          ),
        ),
      ),
    );
}

/**
 * Mends the annotation and breaks it again; whether control has then counted that on the Event of before. It looks every
 * two seconds, and what was mended between two looks it never knew of.
 */
async function saidAgain(): Promise<boolean> {
  for (const value of ["true", "perhaps"]) {
    const args = ["annotate", "--overwrite", "pod", "misspelt", `mesh/enabled=${value}`];
    await cluster.kubectl("-n", NAMESPACE, ...args);
    await sleep(2_500);
  }
  const selector = "--field-selector=involvedObject.name=misspelt,reason=MalformedAnnotation";
  const { items } = await cluster.get<KubeList<CoreV1Event>>("events", "-n", NAMESPACE, selector);
  return items.some(({ count }) => (count ?? 1) >= 2);
}

/** Everything that control has to do with the API in its life. */
async function wholeLife(): Promise<void> {
  await installMesh(cluster);
  await cluster.namespace(NAMESPACE);
  const bad = { "mesh/enabled": "perhaps" };
  await cluster.apply([
    ...echoServer({ namespace: NAMESPACE, name: "server" }, 1),
    pod({ namespace: NAMESPACE, name: "misspelt", annotations: bad }),
    {
      apiVersion: "linkerd.io/v1alpha2",
      kind: "ServiceMesh",
      metadata: { namespace: NAMESPACE, name: "mesh" },
      spec: {
        tracers: ["http"],
        intercept: {
          http: [{ name: "server", service: { name: "server", namespace: NAMESPACE } }],
        },
      },
    },
  ]);
  const args = ["servicemesh/mesh", "--for=condition=Ready", "--timeout=60s"];
  await cluster.kubectl("-n", NAMESPACE, "wait", ...args);
  await eventually("an Event says what is wrong", async () =>
    /perhaps/.test(await cluster.kubectl("-n", NAMESPACE, "describe", "pod", "misspelt")),
  );
  await eventually("what is said once more is counted on the same Event", saidAgain, 60_000);
  // A new leader repairs what somebody has changed.
  const broken = ["-p", '{"data":{"ca.crt":"broken"}}'];
  await cluster.kubectl("-n", MESH_NAMESPACE, "patch", "configmap", "nodemesh-root", ...broken);
  const old = await leader(cluster);
  await cluster.kubectl("-n", MESH_NAMESPACE, "delete", "pod", old);
  await eventually("the next leader repairs the ConfigMap", async () => {
    const args = ["configmap", "nodemesh-root", "-n", MESH_NAMESPACE];
    const { data } = await cluster.get<V1ConfigMap>(...args);
    return data?.["ca.crt"] !== "broken" && (await leader(cluster)) !== old;
  });
}

test("nothing is denied to control and agents, and every verb that they are granted is used", async (t) => {
  const since = Date.now();
  await wholeLife();
  await cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=90s");
  const seen = events(since);
  // By the roles: a namespace that is being deleted refuses new Events to everybody.
  const denied = seen.filter(
    ({ annotations }) => annotations?.["authorization.k8s.io/decision"] === "forbid",
  );
  assert.deepEqual(
    denied.map(({ verb, requestURI, responseStatus }) => [
      verb,
      requestURI,
      responseStatus?.message,
    ]),
    [],
  );
  const used = new Set(
    seen.flatMap(({ verb, objectRef }) => {
      if (objectRef?.resource === undefined) return [];
      const { apiGroup: group = "", subresource } = objectRef;
      const resource = [objectRef.resource, subresource].filter(Boolean).join("/");
      const own = objectRef.namespace === MESH_NAMESPACE;
      return [true, false]
        .filter((namespaced) => own || !namespaced)
        .map((namespaced) => textOf({ group, resource, verb, namespaced }));
    }),
  );
  const unused = (await granted()).map(textOf).filter((text) => !used.has(text));
  t.diagnostic(`${seen.length} requests, ${used.size} kinds`);
  assert.deepEqual(unused, []);
});

test("the agents' own account asks the API for nothing", () => {
  const asked = events(0).filter(({ user }) => user.username === `${ACCOUNTS}agent`);
  assert.deepEqual(
    asked.map(({ verb, requestURI }) => `${verb} ${requestURI}`),
    [],
  );
});
