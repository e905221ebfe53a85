/** Gathers what `nodemesh check` decides by: the installed objects and what the mesh's processes say. */

import { parseOptions } from "../../../deploy/manifests/options.ts";
import { type Api, countField, field, listField, textField } from "../cluster.ts";
import { mapSome } from "../map-some.ts";
import {
  type AgentPage,
  askAgent,
  askControl,
  type ControlPage,
  type MeshPod,
  meshPods,
  type Page,
} from "../mesh-facts.ts";

/** One object that the installation has or lacks. */
export type Found =
  | { readonly kind: "found"; readonly object: unknown }
  | { readonly kind: "absent" }
  | { readonly kind: "unknown"; readonly problem: string };

/** An agent's pod and what it says. */
export interface AgentFacts {
  readonly pod: MeshPod;
  readonly page: Page<AgentPage>;
  /** When its page was asked for and had come, by this machine's clock: for the node's clock. */
  readonly asked: readonly [Date, Date];
}

/** Everything `check` knows. */
export interface PostFacts {
  readonly namespace: string;
  /** Of this command: the tag that it would install. */
  readonly ownVersion: string;
  readonly definition: Found;
  readonly root: Found;
  readonly lease: Found;
  readonly deployment: Found;
  readonly daemonSet: Found;
  readonly control: readonly { readonly pod: MeshPod; readonly page: Page<ControlPage> }[];
  readonly agents: readonly AgentFacts[];
}

/** Asks for all of it. Rejects when pods can't be listed. */
export async function gatherPostFacts(
  api: Api,
  namespace: string,
  now: () => Date,
): Promise<PostFacts> {
  const here = `namespaces/${namespace}`;
  const [definition, root, lease, deployment, daemonSet, controlPods, agentPods] =
    await Promise.all([
      find(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/servicemeshes.linkerd.io"),
      find(api, `/api/v1/${here}/configmaps/nodemesh-root`),
      find(api, `/apis/coordination.k8s.io/v1/${here}/leases/nodemesh-control`),
      find(api, `/apis/apps/v1/${here}/deployments/nodemesh-control`),
      find(api, `/apis/apps/v1/${here}/daemonsets/nodemesh-agent`),
      meshPods(api, namespace, "control"),
      meshPods(api, namespace, "agent"),
    ]);
  const [control, agents] = await Promise.all([
    mapSome(controlPods, async (pod) => ({
      pod,
      page: await askControl(api, namespace, pod),
    })),
    mapSome(agentPods, async (pod): Promise<AgentFacts> => {
      const before = now();
      const page = await askAgent(api, namespace, pod);
      return { pod, page, asked: [before, now()] };
    }),
  ]);
  const ownVersion = parseOptions({}).image.tag;
  return { namespace, ownVersion, definition, root, lease, deployment, daemonSet, control, agents };
}

/** The numbers of a Deployment or DaemonSet that tell whether it is rolled out. */
export function rollout(object: unknown): {
  readonly desired: number;
  readonly updated: number;
  readonly ready: number;
  readonly observed: boolean;
} {
  const status = field(object, "status");
  const ofSet = field(status, "desiredNumberScheduled") !== undefined;
  return {
    desired: ofSet
      ? countField(status, "desiredNumberScheduled")
      : countField(object, "spec", "replicas"),
    updated: countField(status, ofSet ? "updatedNumberScheduled" : "updatedReplicas"),
    ready: countField(status, ofSet ? "numberReady" : "readyReplicas"),
    observed:
      countField(status, "observedGeneration") >= countField(object, "metadata", "generation"),
  };
}

/** The images of a Deployment's or DaemonSet's template. */
export function templateImages(object: unknown): readonly string[] {
  return listField(object, "spec", "template", "spec", "containers").map((one) =>
    textField(one, "image"),
  );
}

async function find(api: Api, path: string): Promise<Found> {
  const answer = await api.get(path);
  if (answer.kind === "ok") return { kind: "found", object: answer.body };
  if (answer.kind === "refused" && answer.status === 404) return { kind: "absent" };
  return { kind: "unknown", problem: answer.problem };
}
