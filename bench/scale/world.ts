/** The cluster of the scale bench: nodes, pods, Services and slices, and how they are made. */

import { setTimeout as sleep } from "node:timers/promises";
import { interruption, until } from "../harness/process.ts";
import { type Api, inParallel } from "./api.ts";

/** How large it is. Pods are spread over the nodes in turn; each is behind one Service. */
export interface Size {
  readonly nodes: number;
  readonly services: number;
  readonly podsPerService: number;
}

/** Pods behind each Service unless the number of Services is given. */
const PODS_PER_SERVICE = 20;

/** The size that options name. Throws when the pods can't be shared out evenly. */
export function sizeOf(options: {
  readonly nodes: string;
  readonly pods: string;
  readonly services?: string | undefined;
}): Size {
  const nodes = countOf("--nodes", options.nodes);
  const pods = countOf("--pods", options.pods);
  const services = countOf("--services", options.services ?? String(pods / PODS_PER_SERVICE));
  if (pods % services !== 0)
    throw new Error(`--pods: must be a multiple of --services, ${services}; is ${pods}`);
  return { nodes, services, podsPerService: pods / services };
}

function countOf(option: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`${option}: must be a whole number above 0, is ${text}`);
}

/** Where the workloads are. */
const NAMESPACE = "shop";
/** Where control and agents are. */
export const MESH_NAMESPACE = "nodemesh";
/** The agents' ServiceAccount, and the audience of the tokens that control takes. */
const AGENT_ACCOUNT = "nodemesh-agent";
const AUDIENCE = "nodemesh-control";
const RUNNING_MS = 600_000;
const LOOK_MS = 1000;
const TOKENS_AT_ONCE = 16;

/** A node's name by its number. */
export function nodeName(index: number): string {
  return `node-${index}`;
}

/** A Service's name by its number, and its slice's. */
export function serviceName(index: number): string {
  return `app-${index}`;
}

/** Path of a Service's only EndpointSlice. */
export function slicePath(service: number): string {
  return `${SLICES}/${serviceName(service)}-1`;
}

/** How a snapshot names the Service. */
export function serviceKeyOf(service: number): string {
  return `${NAMESPACE}/${serviceName(service)}`;
}

const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const AGENT_PODS = `/api/v1/namespaces/${MESH_NAMESPACE}/pods`;
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;

interface MadePod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: { readonly phase?: string; readonly podIP?: string };
}

/** Makes everything and waits until kwok has all pods running. */
export async function populate(api: Api, size: Size, say: (line: string) => void): Promise<void> {
  for (const namespace of [NAMESPACE, MESH_NAMESPACE]) {
    await api.call(post("/api/v1/namespaces", { metadata: { name: namespace } }));
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    for (const name of ["default", AGENT_ACCOUNT])
      await api.call(post(accounts, { metadata: { name } }));
  }
  const nodes = numbers(size.nodes);
  await api.createAll(nodes.map(nodeOf), () => "/api/v1/nodes");
  await managed(api, size.nodes);
  say(`${size.nodes} nodes made`);
  const pods = numbers(size.services * size.podsPerService);
  await api.createAll(nodes.map(agentPod), () => AGENT_PODS);
  await api.createAll(
    pods.map((index) => podOf(index, size)),
    () => PODS,
  );
  say(`${pods.length} pods and ${size.nodes} agents' pods made; waiting for kwok`);
  const made = new Map((await running(api, pods.length)).map((pod) => [pod.metadata.name, pod]));
  const services = numbers(size.services);
  await api.createAll(services.map(serviceOf), () => `/api/v1/namespaces/${NAMESPACE}/services`);
  await api.createAll(
    services.map((service) => sliceOf(service, size, made)),
    () => SLICES,
  );
  say(`${size.services} services with ${size.podsPerService} pods each made`);
}

/** A projected token's like for each node: bound to the agent's pod there, for control only. */
export async function agentTokens(api: Api, nodes: number): Promise<readonly string[]> {
  const path = `/api/v1/namespaces/${MESH_NAMESPACE}/serviceaccounts/${AGENT_ACCOUNT}/token`;
  return inParallel(numbers(nodes), TOKENS_AT_ONCE, async (index) => {
    const { name } = agentPod(index).metadata;
    const boundObjectRef = { apiVersion: "v1", kind: "Pod", name };
    const spec = { audiences: [AUDIENCE], expirationSeconds: 3600, boundObjectRef };
    const answer = (await api.call(post(path, { spec }))) as { status: { token: string } };
    return answer.status.token;
  });
}

/** The mesh's CA, once control has published it; undefined before. */
export async function meshCa(api: Api): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${MESH_NAMESPACE}/configmaps?fieldSelector=metadata.name%3Dnodemesh-root`;
  const { items } = (await api.call({ method: "GET", path })) as {
    items: readonly { readonly data?: Readonly<Record<string, string>> }[];
  };
  return items[0]?.data?.["ca.crt"];
}

function post(path: string, body: object): { method: "POST"; path: string; body: object } {
  return { method: "POST", path, body };
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Shop's pods, as the API server remembers them. */
async function listed(api: Api, selector: string): Promise<readonly MadePod[]> {
  const path = `${PODS}?resourceVersion=0${selector}`;
  const { items } = (await api.call({ method: "GET", path })) as { items: readonly MadePod[] };
  return items;
}

/**
 * Waits until kwok has looked for pods on each new node. Each look reads all pods there are, which is nothing while
 * there is none; with 10,000 pods it would keep the API server busy for minutes.
 */
async function managed(api: Api, nodes: number): Promise<void> {
  await until(
    () => `looks of kwok for the pods of ${nodes} nodes`,
    RUNNING_MS,
    async () => {
      await sleep(LOOK_MS, undefined, { signal: interruption.signal });
      const metrics = await api.text({ method: "GET", path: "/metrics" });
      return looksForPods(metrics) >= nodes;
    },
  );
}

function looksForPods(metrics: string): number {
  const counters = metrics.matchAll(
    /^apiserver_request_total\{[^}]*resource="pods",scope="cluster"[^}]*verb="LIST"[^}]*\} (\S+)$/gm,
  );
  return counters.reduce((sum, [, count]) => sum + Number(count), 0);
}

async function running(api: Api, count: number): Promise<readonly MadePod[]> {
  let pods: readonly MadePod[] = [];
  await until(
    () => `${count} running pods`,
    RUNNING_MS,
    async () => {
      await sleep(LOOK_MS, undefined, { signal: interruption.signal });
      // All of them are a large answer: it is asked for only when none is left behind.
      if ((await listed(api, "&fieldSelector=status.phase%3DPending")).length > 0) return false;
      const items = await listed(api, "");
      pods = items.filter(({ status }) => status.phase === "Running" && status.podIP !== undefined);
      return pods.length === count;
    },
  );
  const addresses = new Set(pods.map(({ status }) => status.podIP));
  if (addresses.size < pods.length) throw new Error("kwok gave several pods the same address");
  return pods;
}

function nodeOf(index: number): object {
  const metadata = { name: nodeName(index), labels: { type: "kwok" } };
  const status = { capacity: { cpu: "32", memory: "256Gi", pods: "110" } };
  return { metadata, spec: {}, status: { ...status, allocatable: status.capacity } };
}

function agentPod(index: number) {
  return {
    metadata: { name: `agent-${index}`, labels: { app: AGENT_ACCOUNT } },
    spec: {
      nodeName: nodeName(index),
      hostNetwork: true,
      serviceAccountName: AGENT_ACCOUNT,
      containers: [{ name: "agent", image: "nodemesh/agent:bench" }],
    },
  };
}

function podName(service: number, index: number): string {
  return `${serviceName(service)}-${index}`;
}

function podOf(number: number, { services, nodes }: Size): object {
  const service = number % services;
  return {
    metadata: {
      name: podName(service, Math.floor(number / services)),
      labels: { app: serviceName(service) },
      annotations: { "mesh/enabled": "true" },
    },
    spec: {
      nodeName: nodeName(number % nodes),
      containers: [
        { name: "app", image: "app:bench", ports: [{ name: "http", containerPort: 8080 }] },
      ],
    },
  };
}

function serviceOf(service: number): object {
  const name = serviceName(service);
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  return { metadata: { name }, spec: { selector: { app: name }, ports } };
}

function sliceOf(
  service: number,
  { podsPerService }: Size,
  made: ReadonlyMap<string, MadePod>,
): object {
  const name = serviceName(service);
  const endpoints = numbers(podsPerService).map((index) => {
    const pod = made.get(podName(service, index));
    const targetRef = { kind: "Pod", namespace: NAMESPACE, name: pod?.metadata.name };
    return {
      addresses: [pod?.status.podIP],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { ...targetRef, uid: pod?.metadata.uid },
    };
  });
  const labels = { "kubernetes.io/service-name": name };
  const ports = [{ name: "http", port: 8080, protocol: "TCP" }];
  return { metadata: { name: `${name}-1`, labels }, addressType: "IPv4", endpoints, ports };
}
