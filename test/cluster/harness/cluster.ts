/**
 * What tests need of a running cluster: kubectl, the API, the nodes. The tests in test/cluster/suite may import it;
 * it may import the cluster tool and must know nothing of the mesh but how it is installed (mesh.ts).
 */

import { execFile } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { Api } from "../api.ts";
import { type Component, componentOf, end, pidOf, start } from "../components.ts";
import { inNode, killNode } from "../node/node.ts";
import { partition } from "../partition.ts";
import { ENVIRONMENT } from "../processes.ts";
import {
  type ClusterPaths,
  type ClusterSpec,
  clusterPaths,
  kubectlEnvironment,
  readSpec,
} from "../spec.ts";
import { startNode } from "../up.ts";
import { RunningProgram } from "./running.ts";

/** Name of the cluster in which the tests run: `npm run cluster -- --name test up --audit` for one test alone. */
export const TEST_CLUSTER = "test";

const OUTPUT_LIMIT = 64 << 20;
const KUBECTL_TIMEOUT_MS = 120_000;

/** An object to apply. */
export type KubeObject = Readonly<Record<string, unknown>>;

/** A list as kubectl get answers. */
export interface KubeList<T> {
  readonly items: readonly T[];
}

/** A running cluster. */
export class TestCluster {
  readonly paths: ClusterPaths;
  readonly spec: ClusterSpec;

  /** Throws with a next step when no cluster of that name runs. */
  constructor(name: string = TEST_CLUSTER) {
    this.paths = clusterPaths(name);
    this.spec = readSpec(this.paths);
  }

  /** Environment with which programs reach the cluster. */
  get env(): NodeJS.ProcessEnv {
    return { ...ENVIRONMENT, ...kubectlEnvironment(this.paths) };
  }

  /** What @kubernetes/client-node needs. */
  kubeConfig(): KubeConfig {
    const config = new KubeConfig();
    config.loadFromFile(this.paths.kubeconfig);
    return config;
  }

  /** A client of the API as administrator; dispose of it. */
  api(): Api {
    return new Api(this.paths, this.spec);
  }

  /**
   * What the API answers at a path; throws when that is not 200. For what tests ask again and again: a kubectl takes a
   * fifth of a second of processor time, which the programs under test would miss.
   */
  async ask(path: string): Promise<string> {
    using api = this.api();
    const { status, body } = await api.send("GET", path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
    return body;
  }

  /** A container's log so far, of a pod with one container. */
  log(namespace: string, pod: string): Promise<string> {
    return this.ask(`/api/v1/namespaces/${namespace}/pods/${pod}/log`);
  }

  /** Pods of a namespace that match selectors of the API (`labelSelector`, `fieldSelector`). */
  async pods(
    namespace: string,
    selectors: Readonly<Record<string, string>>,
  ): Promise<readonly V1Pod[]> {
    const path = `/api/v1/namespaces/${namespace}/pods?${new URLSearchParams(selectors)}`;
    const { items }: KubeList<V1Pod> = JSON.parse(await this.ask(path));
    return items;
  }

  /** Runs kubectl and returns what it printed; throws with its words. */
  kubectl(...args: readonly string[]): Promise<string> {
    return this.run(this.spec.programs["kubectl"] ?? "kubectl", args);
  }

  /** Starts a kubectl that goes on (`logs -f`, `port-forward`) until it is disposed of. */
  running(...args: readonly string[]): RunningProgram {
    return new RunningProgram(this.spec.programs["kubectl"] ?? "kubectl", args, this.env);
  }

  /** Runs a program that reaches the cluster, with text on its standard input. */
  run(file: string, args: readonly string[], input?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        file,
        [...args],
        { env: this.env, maxBuffer: OUTPUT_LIMIT, timeout: KUBECTL_TIMEOUT_MS },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else
            reject(
              new Error(
                `${args.join(" ").slice(0, 300)}: ${stderr.trim() || stdout.trim() || error.message}`,
              ),
            );
        },
      );
      child.stdin?.on("error", () => undefined); // the program's own words say why it has ended
      child.stdin?.end(input ?? "");
    });
  }

  /** Applies YAML text or objects. */
  async apply(objects: string | readonly KubeObject[]): Promise<void> {
    const text =
      typeof objects === "string"
        ? objects
        : JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    await this.run(
      this.spec.programs["kubectl"] ?? "kubectl",
      ["apply", "--server-side", "--force-conflicts", "-f", "-"],
      text,
    );
  }

  /** One object, or a list of them, as kubectl get answers; the caller says which kind it asks for. */
  async get<T>(...args: readonly string[]): Promise<T> {
    const parsed: T = JSON.parse(await this.kubectl("get", ...args, "-o", "json"));
    return parsed;
  }

  /** Waits until a Deployment, StatefulSet or DaemonSet is rolled out. */
  async rolledOut(kind: string, namespace: string, seconds: number = 90): Promise<void> {
    await this.kubectl("-n", namespace, "rollout", "status", kind, `--timeout=${seconds}s`);
  }

  /** Runs a command in a container and returns what it printed. */
  exec(pod: string, namespace: string, ...command: readonly string[]): Promise<string> {
    return this.kubectl("-n", namespace, "exec", pod, "--", ...command);
  }

  /** A namespace of a test's own; disposal deletes it as deleteNamespace does. */
  async namespace(
    name: string,
    annotations: Readonly<Record<string, string>> = {},
  ): Promise<AsyncDisposable & { readonly name: string }> {
    // What a run that was cut short has left.
    await this.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=100s");
    await this.apply([{ apiVersion: "v1", kind: "Namespace", metadata: { name, annotations } }]);
    return { name, [Symbol.asyncDispose]: () => this.deleteNamespace(name) };
  }

  /**
   * Deletes a namespace and waits until its pods are gone. The rest is a matter of the API: its controller begins 5 s
   * after the command, and looks for pods that are gone again some seconds later.
   */
  async deleteNamespace(name: string): Promise<void> {
    await this.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found");
    // From here on nobody can make new ones.
    await this.kubectl("-n", name, "delete", "pods", "--all", "--timeout=100s");
  }

  /** Runs a command in a node, as on its console. */
  inNode(node: string, ...command: readonly string[]): Promise<string> {
    return inNode(this.paths, node, command);
  }

  /** A program of the cluster by name; of a node, with the node. */
  component(program: string, node?: string): Component {
    return componentOf(this.spec, program, node);
  }

  /** Kills a program; it stays dead. */
  kill(program: string, node?: string): Promise<void> {
    return end(this.paths, this.component(program, node), "SIGKILL");
  }

  /** Whether a program runs. */
  runs(program: string, node?: string): boolean {
    return pidOf(this.paths, this.component(program, node)) !== undefined;
  }

  /** Starts a program again. */
  start(program: string, node?: string): void {
    start(this.paths, this.spec, this.component(program, node));
  }

  /** Cuts a node's power. */
  killNode(node: string): Promise<void> {
    return killNode(this.paths, node);
  }

  /** Boots a node again and waits until it is Ready. */
  startNode(node: string): Promise<void> {
    return startNode(this.paths, node);
  }

  /** Cuts a node off the network for some seconds; resolves when it is joined again. */
  partition(node: string, seconds: number): Promise<void> {
    return partition(this.paths, node, seconds);
  }
}

/** Waits like `until` of test/support, but takes a rejection for "not yet": for answers of a cluster that is coming back. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  deadlineMs: number = 30_000,
): Promise<T> {
  const began = performance.now();
  for (;;) {
    let problem: unknown;
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
    } catch (cause) {
      problem = cause;
    }
    if (performance.now() - began > deadlineMs)
      throw new Error(`${what}: not so after ${deadlineMs} ms`, { cause: problem });
    await pause(100);
  }
}
