/** A simulated cluster with the real mesh, for tests that talk through it: `nodemesh sim` as a user runs it. */

import { fileURLToPath } from "node:url";
import { fetchInNetns } from "../../deploy/sim/mesh/netns-fetch.ts";
import { LibcPeer } from "./libc-peer.ts";
import { PodPeer } from "./pod-peer.ts";
import { CLI, type Ran, SimVerbs, withFile } from "./sim-verbs.ts";

const DRIVER: string = fileURLToPath(new URL("../netns/peers/driver.ts", import.meta.url));
const LIBC_DRIVER: string = fileURLToPath(
  new URL("../netns/peers/libc-driver.ts", import.meta.url),
);

/** What tests read of `sim status -o json`. */
export interface LabStatus {
  readonly directory: string;
  readonly cgroup: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly netns: string;
    readonly metrics: string;
    readonly adminSocket: string;
  }[];
  readonly agents: readonly {
    readonly node: string;
    readonly process: { readonly kind: string; readonly pid?: number };
    readonly ready: boolean;
  }[];
  readonly pods: readonly {
    readonly name: string;
    readonly node: string;
    readonly ready: boolean;
    readonly addresses: readonly string[];
    readonly enrolled: boolean;
    readonly netns: string;
    readonly restarts: number;
  }[];
  readonly services: readonly { readonly name: string; readonly clusterIPs: readonly string[] }[];
}

/** A running simulation of its own name. Dispose of it at the end. */
export class MeshLab extends SimVerbs implements AsyncDisposable {
  /** They stay the same as long as the simulation runs. */
  #nodes: LabStatus["nodes"] | undefined;

  /** Brings up two nodes with these manifests (YAML). The name must be unique among tests that run together. */
  static async start(name: string, manifests: string, nodes = 2): Promise<MeshLab> {
    // A run of this test that was killed may have left its simulation behind.
    await new MeshLab(name).sim("down");
    return MeshLab.startOver(name, manifests, nodes);
  }

  /** The same, over whatever a killed simulation of that name left. */
  static async startOver(name: string, manifests: string, nodes = 2): Promise<MeshLab> {
    const lab = new MeshLab(name);
    try {
      await withFile(manifests, (file) =>
        lab.sim("up", "-f", file, "--nodes", String(nodes), "--detach"),
      );
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  /** Runs a command in a pod. */
  exec(pod: string, ...command: readonly string[]): Promise<Ran> {
    return this.run("exec", pod, "--", ...command);
  }

  /** The state now. */
  async status(): Promise<LabStatus> {
    return JSON.parse(await this.sim("status", "-o", "json")) as LabStatus;
  }

  /** A pod of the status. */
  async pod(name: string): Promise<LabStatus["pods"][number]> {
    const found = (await this.status()).pods.find((pod) => pod.name === name);
    if (found === undefined) throw new Error(`no pod ${name}`);
    return found;
  }

  /** Starts a socket driver in a pod. */
  peer(pod: string): PodPeer {
    return new PodPeer(this.command(pod, process.execPath, DRIVER));
  }

  /** Starts a driver of C calls in a pod. */
  libc(pod: string): LibcPeer {
    return new LibcPeer(this.command(pod, process.execPath, LIBC_DRIVER));
  }

  /** The words that run a command in a pod (or `node/NAME`), for those who spawn it themselves. */
  command(pod: string, ...command: readonly string[]): readonly [string, ...string[]] {
    return [CLI, "sim", "--name", this.name, "exec", pod, "--", ...command];
  }

  /** Enrols pods and waits until their agents catch them. */
  async enrol(...pods: readonly string[]): Promise<void> {
    for (const pod of pods)
      await this.sim("annotate", "pod", pod, "mesh/enabled=true", "--overwrite");
    await this.sim("wait");
  }

  /** The metrics page of a node's agent; empty when it does not answer. */
  metrics(node: string): Promise<string> {
    return this.#page(node);
  }

  /** What a node's agent says about its readiness; empty when it does not answer. */
  readiness(node: string): Promise<string> {
    return this.#page(node, "/ready");
  }

  async #page(node: string, path?: string): Promise<string> {
    this.#nodes ??= (await this.status()).nodes;
    const found = this.#nodes.find((one) => one.name === node);
    if (found === undefined) throw new Error(`no node ${node}`);
    const { hostname, port, pathname } = new URL(found.metrics);
    const url = { netns: found.netns, ip: hostname, port: Number(port), path: path ?? pathname };
    return (await fetchInNetns(url))?.body ?? "";
  }

  /** A kernel counter of a node, by event. */
  async kernel(node: string, event: string): Promise<number> {
    const page = await this.metrics(node);
    const line = page.split("\n").find((one) => one.includes(`{event="${event}"}`));
    return Number(line?.split(" ").at(-1) ?? Number.NaN);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sim("down");
  }
}

/** Manifest of a pod that only waits: a test's programs run in it. */
export function idlePod(
  name: string,
  node: string,
  annotations: Readonly<Record<string, string>> = {},
): string {
  return `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} }, annotations: ${JSON.stringify(annotations)} }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: nodemesh/sleep }]
`;
}

/** Manifest of a Service over the pods labelled `app: NAME`; ports by name as [port, appProtocol or ""]. */
export function serviceOf(
  name: string,
  ports: Readonly<Record<string, readonly [number, string]>>,
): string {
  const list = Object.entries(ports).map(([port, [number, protocol]]) => ({
    name: port,
    port: number,
    targetPort: number,
    ...(protocol !== "" && { appProtocol: protocol }),
  }));
  return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: ${JSON.stringify(list)} }
`;
}
