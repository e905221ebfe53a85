/** One pod on one node: network, sandbox, containers; reports its status, and ends in Kubernetes' order. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, Pod, PodStatus } from "../../../control/k8s/api/pod.ts";
import { createCgroup, removeCgroup } from "../cgroups.ts";
import { podAddress } from "../net/plan.ts";
import {
  createPodNetwork,
  deletePodNetwork,
  type PodPlace,
  podNetnsPath,
} from "../net/pod-network.ts";
import { ContainerRunner, type ContainerState } from "./container-runner.ts";
import { invocation, type PodFacts } from "./environment.ts";
import type { LogBuffer } from "./log-buffer.ts";
import { hostsFile, resolvConf } from "./pod-files.ts";
import { openSandbox, type Sandbox } from "./sandbox.ts";

/** Between withdrawing a pod's endpoints and telling it to stop: the time the news takes to spread. */
const WITHDRAWAL_LEAD_MS = 200;

/** A pod's life. */
type Phase =
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly sandbox: Sandbox }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "terminating" }
  | { readonly kind: "gone" };

/** Runs one pod. */
export class PodRunner {
  readonly pod: Pod;
  readonly place: PodPlace;
  readonly #onChange: () => void;
  #phase: Phase = { kind: "starting" };
  #containers: readonly ContainerRunner[] = [];
  #starting: Promise<void> | undefined;
  #sandbox: Sandbox | undefined;

  /** `onChange` is called whenever status() may have changed. */
  constructor(pod: Pod, place: PodPlace, onChange: () => void) {
    this.pod = pod;
    this.place = place;
    this.#onChange = onChange;
  }

  /** Begins; progress is told by onChange. */
  start(): void {
    this.#starting = this.#start().catch((error: Error) => {
      if (this.#phase.kind === "starting") this.#set({ kind: "failed", reason: error.message });
    });
  }

  /** The status field of the pod's object. */
  status(): PodStatus & { readonly message?: string; readonly containerStatuses: unknown } {
    const { ipv4, ipv6 } = podAddress(this.place.node.number, this.place.index);
    const ready = this.#isReady();
    return {
      phase: this.#phaseName(),
      podIP: ipv4,
      podIPs: [{ ip: ipv4 }, { ip: ipv6 }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      containerStatuses: this.#containers.map((container) => ({
        name: container.name,
        restartCount: container.restarts,
        ready: container.isReady,
        state: kubernetesState(container.state),
      })),
      ...(this.#phase.kind === "failed" ? { message: this.#phase.reason } : {}),
    };
  }

  /** Whether the pod has ended and left nothing behind. */
  get gone(): boolean {
    return this.#phase.kind === "gone";
  }

  /** The process whose namespaces are the pod's; undefined before and after its life. */
  get sandboxPid(): number | undefined {
    return this.#sandbox?.pid;
  }

  /** Restarts of all its containers together. */
  get restarts(): number {
    return this.#containers.reduce((sum, container) => sum + container.restarts, 0);
  }

  /** Why it is not well, in words; undefined while all goes as it should. */
  get trouble(): string | undefined {
    if (this.#phase.kind === "failed") return this.#phase.reason;
    const ill = this.#containers.find(({ lastExit }) => lastExit !== undefined && lastExit !== 0);
    if (ill === undefined || ill.isReady) return undefined;
    return `container ${ill.name} ended with exit code ${ill.lastExit}; see: nodemesh sim logs ${this.pod.metadata.name} -n ${this.pod.metadata.namespace} -c ${ill.name}`;
  }

  /** SIGKILL to all its containers, without warning. */
  crash(): void {
    for (const container of this.#containers) container.crash();
  }

  /** Where processes of `sim exec` belong. */
  get execCgroup(): string {
    return join(this.#cgroup(), "exec");
  }

  /** The environment of a container (the first when no name is given). Throws when there is none of that name. */
  environment(container?: string): Readonly<Record<string, string>> {
    return invocation(this.#named(container), this.#facts()).env;
  }

  /**
   * The kept output of a container (the first when no name is given); undefined while it has not begun.
   * Throws when there is none of that name.
   */
  log(container?: string): LogBuffer | undefined {
    const { name } = this.#named(container);
    return this.#containers.find((one) => one.name === name)?.log;
  }

  /** Ends the pod: its endpoint is withdrawn already; then preStop, SIGTERM, grace, SIGKILL, network gone. */
  async terminate(graceMs: number): Promise<void> {
    if (this.#phase.kind === "terminating" || this.#phase.kind === "gone") return;
    const wasServing = this.#isReady();
    const initCount = this.pod.spec.initContainers.length;
    this.#set({ kind: "terminating" });
    // The start may be waiting for an init container that never ends by itself.
    await Promise.all(this.#containers.slice(0, initCount).map((one) => one.stop(graceMs)));
    await this.#starting;
    if (wasServing && graceMs > 0) await sleep(WITHDRAWAL_LEAD_MS);
    await Promise.all(this.#containers.slice(initCount).map((one) => one.stop(graceMs)));
    this.#sandbox?.close();
    await removeCgroup(this.#cgroup());
    this.#sandbox = undefined;
    deletePodNetwork(this.place);
    this.#set({ kind: "gone" });
  }

  async #start(): Promise<void> {
    createPodNetwork(this.place);
    const cgroup = join(this.#cgroup(), "sandbox");
    createCgroup(cgroup);
    const { metadata } = this.pod;
    const sandbox = await openSandbox({
      cgroup,
      netns: podNetnsPath(this.place),
      hostname: metadata.name,
      resolvConf: resolvConf(metadata.namespace),
      hosts: hostsFile(metadata.name, podAddress(this.place.node.number, this.place.index)),
    });
    this.#sandbox = sandbox;
    createCgroup(this.execCgroup);
    await this.#runInitContainers(sandbox);
    if (this.#phase.kind !== "starting") return;
    const main = this.pod.spec.containers.map((one) =>
      this.#container(one, sandbox, this.pod.spec.restartPolicy),
    );
    this.#containers = [...this.#containers, ...main];
    this.#set({ kind: "running", sandbox });
    for (const container of main) container.start();
  }

  async #runInitContainers(sandbox: Sandbox): Promise<void> {
    for (const one of this.pod.spec.initContainers) {
      if (this.#phase.kind !== "starting") return;
      const policy = this.pod.spec.restartPolicy === "Never" ? "Never" : "OnFailure";
      const container = this.#container(one, sandbox, policy);
      this.#containers = [...this.#containers, container];
      container.start();
      const code = await container.ended();
      if (code !== 0) throw new Error(`init container ${one.name} ended with exit code ${code}`);
    }
  }

  #container(container: Container, sandbox: Sandbox, restartPolicy: string): ContainerRunner {
    const how = invocation(container, this.#facts());
    return new ContainerRunner({
      target: {
        container,
        podIp: podAddress(this.place.node.number, this.place.index).ipv4,
        nodeNetns: this.place.paths.netns,
        sandbox: {
          pid: sandbox.pid,
          cgroup: join(this.#cgroup(), container.name),
          workingDir: how.workingDir,
        },
        env: how.env,
      },
      invocation: how,
      restartPolicy,
      graceMs: this.pod.spec.terminationGracePeriodSeconds * 1_000,
      onChange: () => this.#onChange(),
    });
  }

  #facts(): PodFacts {
    const { metadata, spec } = this.pod;
    const { ipv4, ipv6 } = podAddress(this.place.node.number, this.place.index);
    return {
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      node: this.place.node.name,
      nodeIp: this.place.node.address.ipv4,
      podIp: ipv4,
      podIps: [ipv4, ipv6],
      serviceAccount: spec.serviceAccountName,
      labels: metadata.labels,
      annotations: metadata.annotations,
    };
  }

  #named(name: string | undefined): Container {
    const { initContainers, containers } = this.pod.spec;
    const all = [...containers, ...initContainers];
    const found = name === undefined ? all[0] : all.find((one) => one.name === name);
    if (found !== undefined) return found;
    const known = all.map((one) => one.name).join(", ");
    throw new Error(`pod ${this.pod.metadata.name} has no container "${name}"; it has: ${known}`);
  }

  #isReady(): boolean {
    const serving = this.#phase.kind === "running" || this.#phase.kind === "terminating";
    const main = this.#containers.slice(this.pod.spec.initContainers.length);
    return (
      serving &&
      main.length > 0 &&
      main.every(({ state }) => state.kind === "running" && state.ready)
    );
  }

  #phaseName(): string {
    if (this.#phase.kind === "failed") return "Failed";
    if (this.#phase.kind === "starting") return "Pending";
    const states = this.#containers.map((container) => container.state);
    const over = states.length > 0 && states.every((state) => state.kind === "ended");
    if (!over || this.#phase.kind === "terminating") return "Running";
    return states.every((state) => state.kind === "ended" && state.exitCode === 0)
      ? "Succeeded"
      : "Failed";
  }

  #cgroup(): string {
    return join(this.place.paths.cgroup, `pod-${this.pod.metadata.uid}`);
  }

  #set(phase: Phase): void {
    this.#phase = phase;
    this.#onChange();
  }
}

/** As core/v1 ContainerState has it. */
function kubernetesState(state: ContainerState): Readonly<Record<string, unknown>> {
  switch (state.kind) {
    case "waiting":
      return { waiting: { reason: state.reason } };
    case "running":
      return { running: {} };
    case "ended":
      return { terminated: { exitCode: state.exitCode } };
  }
}
