/** prometheus-adapter in a test's cluster: it serves the custom metrics API from a Prometheus, by rules. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBinaries } from "../build/binaries.ts";
import { CONTROL } from "../plan.ts";
import { AsPod } from "./as-pod.ts";
import type { KubeObject, TestCluster } from "./cluster.ts";
import { MONITORING } from "./monitoring.ts";
import { RunningProgram } from "./running.ts";

/** The API group that an autoscaler asks. */
export const METRICS_API = "custom.metrics.k8s.io";
/** As the adapter's own chart registers it. */
const API_SERVICE = `v1beta1.${METRICS_API}`;
const NAME = "prometheus-adapter";
const PORT = 6444;
const RBAC = "rbac.authorization.k8s.io";

/** A running one. Disposal ends it and removes what it has in the API, but for the namespace. */
export class Adapter implements AsyncDisposable {
  readonly #cluster: TestCluster;
  readonly #account: AsPod;
  readonly #directory: string;
  readonly #program: RunningProgram;

  /** Starts it with these rules (YAML) and waits until the API server passes questions on to it. */
  static async start(cluster: TestCluster, rules: string, prometheus: string): Promise<Adapter> {
    const built = await ensureBinaries(["adapter"], (line) => process.stdout.write(`${line}\n`));
    await cluster.apply(OBJECTS);
    const account = await AsPod.of(cluster, MONITORING, NAME);
    const directory = mkdtempSync(join(tmpdir(), "nodemesh-adapter-"));
    writeFileSync(join(directory, "rules.yaml"), rules);
    const [file, ...args] = account.command(
      built["adapter"] ?? "",
      `--config=${join(directory, "rules.yaml")}`,
      `--cert-dir=${directory}`,
      `--secure-port=${PORT}`,
      `--prometheus-url=${prometheus}`,
      "--metrics-relist-interval=1s",
      "--metrics-max-age=30s",
    );
    const program = new RunningProgram(file, args, cluster.env);
    const adapter = new Adapter(cluster, account, directory, program);
    try {
      await cluster.apply([API_OBJECT]);
      const wait = ["wait", "--for=condition=Available", "--timeout=30s"];
      await cluster.kubectl(...wait, `apiservice/${API_SERVICE}`);
      return adapter;
    } catch (error) {
      await adapter[Symbol.asyncDispose]();
      throw new Error(`${NAME} does not serve: ${program.complained}`, { cause: error });
    }
  }

  private constructor(
    cluster: TestCluster,
    account: AsPod,
    directory: string,
    program: RunningProgram,
  ) {
    this.#cluster = cluster;
    this.#account = account;
    this.#directory = directory;
    this.#program = program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Before it ends: no namespace can be deleted while an API is registered that does not answer.
    const objects = JSON.stringify({
      apiVersion: "v1",
      kind: "List",
      items: [API_OBJECT, ...OBJECTS],
    });
    const kubectl = this.#cluster.spec.programs["kubectl"] ?? "";
    await this.#cluster.run(kubectl, ["delete", "--ignore-not-found", "-f", "-"], objects);
    await this.#program[Symbol.asyncDispose]();
    this.#account[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const SUBJECTS = [{ kind: "ServiceAccount", namespace: MONITORING, name: NAME }];

/** What the adapter's documentation asks for; its Service leads to where it runs. */
const OBJECTS: readonly KubeObject[] = [
  object("v1", "ServiceAccount", { namespace: MONITORING, name: NAME }),
  object(
    `${RBAC}/v1`,
    "ClusterRoleBinding",
    { name: `${NAME}:auth-delegator` },
    {
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: "system:auth-delegator" },
      subjects: SUBJECTS,
    },
  ),
  object(
    `${RBAC}/v1`,
    "RoleBinding",
    { namespace: "kube-system", name: `${NAME}:auth-reader` },
    {
      roleRef: {
        ...{ apiGroup: RBAC, kind: "Role", name: "extension-apiserver-authentication-reader" },
      },
      subjects: SUBJECTS,
    },
  ),
  object(
    "v1",
    "Service",
    { namespace: MONITORING, name: NAME },
    { spec: { ports: [{ name: "https", port: 443, targetPort: PORT }] } },
  ),
  object(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    {
      ...{ namespace: MONITORING, name: NAME },
      labels: { "kubernetes.io/service-name": NAME },
    },
    {
      addressType: "IPv4",
      endpoints: [{ addresses: [CONTROL.v4], conditions: { ready: true } }],
      ports: [{ name: "https", port: PORT, protocol: "TCP" }],
    },
  ),
];

const API_OBJECT: KubeObject = object(
  "apiregistration.k8s.io/v1",
  "APIService",
  { name: API_SERVICE },
  {
    spec: {
      ...{
        group: METRICS_API,
        version: "v1beta1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
      },
      service: { namespace: MONITORING, name: NAME },
      // Its certificate is one that it has made for itself.
      insecureSkipTLSVerify: true,
    },
  },
);

function object(
  apiVersion: string,
  kind: string,
  metadata: KubeObject,
  fields: KubeObject = {},
): KubeObject {
  return { apiVersion, kind, metadata, ...fields };
}
