/** What an agent says of itself on its admin socket. */

import { once } from "node:events";
import { request } from "node:http";
import { json } from "node:stream/consumers";

/** Longer than an answer takes, short enough for `sim status`. */
const TIMEOUT_MS = 2_000;
/** More than a node has pods. */
const LIMIT = 10_000;

/** One pod as its agent sees it. */
export interface AgentPod {
  readonly uid: string;
  /** `caught`, `leaving`, `out` or `failed`. */
  readonly state: string;
  /** Why it is in that state, where there is a reason to tell; else empty. */
  readonly detail: string;
}

/** Why a pod that belongs into the mesh is not in it, by its agent's own word; undefined when it is. */
export function setUpTrouble({ state, detail }: AgentPod): string | undefined {
  return state === "failed" || state === "out" ? detail || state : undefined;
}

/** What the kernel's programs of a node have counted, by event. */
export type KernelEvents = Readonly<Record<string, number>>;

/** The agent's own word on its pods and the kernel's counters. */
export interface AgentView {
  readonly pods: readonly AgentPod[];
  readonly kernelEvents: KernelEvents;
}

/** Asks an agent; undefined when it does not answer in time. */
export async function askAgent(socketPath: string): Promise<AgentView | undefined> {
  try {
    const [pods, counters] = await Promise.all([
      list<AgentPod>(socketPath, "/pods"),
      list<{ readonly event: string; readonly count: number }>(socketPath, "/counters"),
    ]);
    return {
      pods,
      kernelEvents: Object.fromEntries(counters.map(({ event, count }) => [event, count])),
    };
  } catch {
    return undefined;
  }
}

async function list<Item>(socketPath: string, page: string): Promise<readonly Item[]> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const asked = request({ socketPath, path: `${page}?limit=${LIMIT}`, signal });
  asked.end();
  const [answer] = await once(asked, "response");
  const { items } = (await json(answer)) as { readonly items: readonly Item[] };
  return items;
}
