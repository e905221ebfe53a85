/** What the installed mesh's processes say of themselves, asked through the API server's proxy to their pods. */

import { z } from "zod";
import {
  type Api,
  countField,
  field,
  listField,
  listItems,
  listItemsIfAllowed,
  textField,
} from "./cluster.ts";

/** Name that the manifests give to the port of /metrics, /ready, /facts and /status of agents and control. */
const PORT_NAME = "metrics";

/** Of a last line that is no JSON (a crash of the runtime, a cut one) so many characters are shown. */
const MAX_WORDS = 300;

/** A pod of the mesh itself. */
export interface MeshPod {
  readonly name: string;
  readonly node: string;
  /** RFC 3339 text, by the API server's clock. */
  readonly created: string;
  readonly ready: boolean;
  /** When it last became ready, or ceased to be; RFC 3339, empty: never. */
  readonly turned: string;
  readonly phase: string;
  readonly terminating: boolean;
  readonly images: readonly string[];
  readonly restarts: number;
  /** Where its pages are; undefined: its containers name no such port. */
  readonly metricsPort: number | undefined;
  /** Why its container does not run, by the container's last words or kubelet's; empty: nothing is known. */
  readonly trouble: string;
}

/** Phases of pods that have ended: an evicted pod stays listed though another took its place. */
const ENDED = ["Failed", "Succeeded"];

/** The pods of one component (`agent`, `control`), without those that have ended. */
export async function meshPods(
  api: Api,
  namespace: string,
  component: string,
): Promise<readonly MeshPod[]> {
  return livePods(await listItems(api, podsPath(namespace, component)));
}

/** The same, and undefined where the user may not list them. */
export async function meshPodsIfAllowed(
  api: Api,
  namespace: string,
  component: string,
): Promise<readonly MeshPod[] | undefined> {
  const items = await listItemsIfAllowed(api, podsPath(namespace, component));
  return items && livePods(items);
}

function podsPath(namespace: string, component: string): string {
  const selector = `app.kubernetes.io/name=nodemesh,app.kubernetes.io/component=${component}`;
  return `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`;
}

function livePods(items: readonly unknown[]): readonly MeshPod[] {
  return items.map(meshPod).filter(({ phase }) => !ENDED.includes(phase));
}

function meshPod(pod: unknown): MeshPod {
  return {
    name: textField(pod, "metadata", "name"),
    node: textField(pod, "spec", "nodeName"),
    created: textField(pod, "metadata", "creationTimestamp"),
    ready: isReady(pod),
    turned: readyTurned(pod),
    phase: textField(pod, "status", "phase"),
    terminating: textField(pod, "metadata", "deletionTimestamp") !== "",
    images: listField(pod, "spec", "containers").map((one) => textField(one, "image")),
    restarts: listField(pod, "status", "containerStatuses").reduce<number>(
      (sum, one) => sum + Number(field(one, "restartCount") ?? 0),
      0,
    ),
    metricsPort: metricsPortOf(pod),
    trouble: listField(pod, "status", "containerStatuses").map(troubleOf).find(Boolean) ?? "",
  };
}

/** Whether a pod, as the API gives it, is Ready. */
export function isReady(pod: unknown): boolean {
  return listField(pod, "status", "conditions").some(
    (one) => textField(one, "type") === "Ready" && textField(one, "status") === "True",
  );
}

/** When a pod's or node's condition Ready last changed, RFC 3339; empty: it has none. */
export function readyTurned(object: unknown): string {
  const ready = listField(object, "status", "conditions").find(
    (one) => textField(one, "type") === "Ready",
  );
  return textField(ready, "lastTransitionTime");
}

/** Whoever has ended says more than who waits for the next start. */
function troubleOf(status: unknown): string {
  const ended = field(status, "state", "terminated") ?? field(status, "lastState", "terminated");
  const words = lastWords(textField(ended, "message"));
  if (words !== "") return words;
  const waiting = field(status, "state", "waiting");
  return [textField(waiting, "reason"), textField(waiting, "message")].filter(Boolean).join(": ");
}

/** Levels of lines that say how it goes, not why it ended. */
const CALM = ["debug", "info"];

/** kubelet keeps the end of the log (terminationMessagePolicy): lines of JSON, the first perhaps cut. */
function lastWords(log: string): string {
  const lines = log.trim().split("\n");
  const said = lines.map((line, at) =>
    at === 0 && lines.length > 1 ? jsonWords(line) : words(line),
  );
  return said.findLast((text) => text !== "") ?? "";
}

function words(line: string): string {
  return jsonWords(line, line.slice(-MAX_WORDS));
}

/** What a line of the log complains of; `otherwise` when it is no JSON. */
function jsonWords(line: string, otherwise = ""): string {
  try {
    const said: unknown = JSON.parse(line);
    return CALM.includes(textField(said, "level")) ? "" : textField(said, "message") || line;
  } catch {
    return otherwise;
  }
}

function metricsPortOf(pod: unknown): number | undefined {
  const ports = listField(pod, "spec", "containers").flatMap((one) => listField(one, "ports"));
  const port = ports.find((one) => textField(one, "name") === PORT_NAME);
  return countField(port, "containerPort") || undefined;
}

interface Version {
  readonly epoch: string;
  readonly version: number;
}

/** What a page of control (control/status-page.ts) tells; another version of control may tell more. */
export interface ControlPage {
  readonly snapshot: Version;
  readonly leader: boolean;
  readonly agents: readonly {
    readonly node: string;
    readonly connected: boolean;
    readonly acked?: Version | undefined;
    readonly nacks: readonly { version: number; field: string; problem: string }[];
  }[];
  readonly conditions: readonly {
    readonly ref: { readonly kind: string; readonly namespace: string; readonly name: string };
    readonly field: string;
    readonly problem: string;
    readonly nextStep: string;
  }[];
  readonly conditionCount: number;
  readonly resources: readonly {
    readonly resource: string;
    readonly heardMsAgo?: number | undefined;
    readonly trouble?: string | undefined;
  }[];
}

/** What a page of an agent (agent/facts.ts) tells; another version may tell more. */
export interface AgentPage {
  readonly kernel: string;
  readonly time: string;
  readonly cgroup: string;
  readonly btf: boolean;
  readonly ipv6: boolean;
  /** undefined, as the next: an agent from before they were told. */
  readonly bpffs?: boolean | undefined;
  readonly features?: Readonly<Record<string, boolean>> | undefined;
  /** `epoch`: of which replica of control it is; undefined: an agent from before it was told. */
  readonly snapshot: {
    readonly epoch?: string | undefined;
    readonly version: number;
    readonly ageSeconds: number;
  };
  readonly pods: readonly { uid: string; state: string; detail: string }[];
}

const version = z.object({ epoch: z.string(), version: z.number() });

const controlPage: z.ZodType<ControlPage> = z.object({
  snapshot: version,
  leader: z.boolean(),
  agents: z.array(
    z.object({
      node: z.string(),
      connected: z.boolean(),
      acked: version.optional(),
      nacks: z.array(z.object({ version: z.number(), field: z.string(), problem: z.string() })),
    }),
  ),
  conditions: z.array(
    z.object({
      ref: z.object({ kind: z.string(), namespace: z.string(), name: z.string() }),
      field: z.string(),
      problem: z.string(),
      nextStep: z.string(),
    }),
  ),
  conditionCount: z.number(),
  resources: z.array(
    z.object({
      resource: z.string(),
      heardMsAgo: z.number().optional(),
      trouble: z.string().optional(),
    }),
  ),
});

const agentPage: z.ZodType<AgentPage> = z.object({
  kernel: z.string(),
  time: z.string(),
  cgroup: z.string(),
  btf: z.boolean(),
  ipv6: z.boolean(),
  bpffs: z.boolean().optional(),
  features: z.record(z.string(), z.boolean()).optional(),
  snapshot: z.object({
    epoch: z.string().optional(),
    version: z.number(),
    ageSeconds: z.number(),
  }),
  pods: z.array(z.object({ uid: z.string(), state: z.string(), detail: z.string() })),
});

/** Why there is no page: what to do about it differs. */
export type Silence =
  /** The user may not get pods/proxy. */
  | "forbidden"
  /** Nobody answers on the pod's port, or with an error. */
  | "unreachable"
  /** It answers something else: a process of another version. */
  | "another-version";

/** A page, or why there is none. */
export type Page<T> =
  | { readonly kind: "page"; readonly value: T }
  | { readonly kind: "none"; readonly cause: Silence; readonly problem: string };

/** What a replica of control says. */
export function askControl(api: Api, namespace: string, pod: MeshPod): Promise<Page<ControlPage>> {
  return ask(api, { namespace, pod, page: "status" }, controlPage);
}

/** What an agent says. */
export function askAgent(api: Api, namespace: string, pod: MeshPod): Promise<Page<AgentPage>> {
  return ask(api, { namespace, pod, page: "facts" }, agentPage);
}

async function ask<T>(
  api: Api,
  { namespace, pod, page }: { namespace: string; pod: MeshPod; page: string },
  schema: z.ZodType<T>,
): Promise<Page<T>> {
  const { name, metricsPort } = pod;
  if (metricsPort === undefined)
    return { kind: "none", cause: "another-version", problem: `has no port ${PORT_NAME}` };
  const path = `/api/v1/namespaces/${namespace}/pods/${name}:${metricsPort}/proxy/${page}`;
  const answer = await api.get(path);
  if (answer.kind === "away")
    return { kind: "none", cause: "unreachable", problem: answer.problem };
  if (answer.kind === "refused")
    return {
      kind: "none",
      cause: answer.status === 403 ? "forbidden" : "unreachable",
      problem: `GET /${page} on port ${metricsPort}: ${answer.status} ${answer.problem}`,
    };
  const read = schema.safeParse(answer.body);
  if (read.success) return { kind: "page", value: read.data };
  const [issue] = read.error.issues;
  return {
    kind: "none",
    cause: "another-version",
    problem: `/${page} of another version: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
  };
}

/** The tag of an image, its digest when it has no tag; a registry's port is no tag. */
export function tagOf(image: string): string {
  const last = image.slice(image.lastIndexOf("/") + 1);
  const [name = "", digest = "latest"] = last.split("@");
  return /:(.+)$/.exec(name)?.[1] ?? digest;
}
