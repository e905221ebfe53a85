/** What the verbs say to the supervisor, over HTTP on a unix socket: one POST with a Request, one Reply back. */

import type { RawObject } from "../cluster/raw.ts";
import type { DaemonState } from "../mesh/daemon.ts";
import type { AgentStatus } from "../mesh/mesh.ts";

/** As a target's namespace: all of them. */
export const EVERY_NAMESPACE = "";

/** Which objects a verb means. Exactly one of names, selector, all is used. */
export interface Target {
  /** Kubernetes kind: `Pod`, `Deployment`… */
  readonly kind: string;
  /** EVERY_NAMESPACE = all. */
  readonly namespace: string;
  readonly names: readonly string[];
  /** Label equalities; empty = none given. */
  readonly selector: Readonly<Record<string, string>>;
  readonly all: boolean;
}

/** A request to the supervisor. */
export type Request =
  | { readonly verb: "status" }
  | { readonly verb: "apply"; readonly objects: readonly RawObject[]; readonly namespace: string }
  | {
      readonly verb: "delete";
      readonly targets: readonly Target[];
      readonly graceSeconds?: number;
      readonly wait: boolean;
      readonly ignoreNotFound: boolean;
    }
  | {
      readonly verb: "mark";
      readonly field: "annotations" | "labels";
      readonly target: Target;
      /** null removes. */
      readonly changes: Readonly<Record<string, string | null>>;
      readonly overwrite: boolean;
    }
  | { readonly verb: "scale"; readonly target: Target; readonly replicas: number }
  /** A process of the mesh. */
  | { readonly verb: "kill"; readonly name: string; readonly stayDead: boolean }
  /** The containers of pods. */
  | { readonly verb: "crash"; readonly target: Target }
  | { readonly verb: "revive"; readonly name: string }
  | {
      readonly verb: "logs";
      readonly source: LogSource;
      /** Only what was said after so many bytes, as an earlier answer's `next` had it. */
      readonly from?: number;
    }
  | { readonly verb: "get"; readonly target: Target }
  | { readonly verb: "locate"; readonly target: Target; readonly container?: string }
  | { readonly verb: "wait"; readonly until?: Awaited; readonly timeoutMs: number }
  | { readonly verb: "down" };

/** What `sim wait` waits for; absent: that everything is ready. */
export interface Awaited {
  readonly targets: readonly Target[];
  readonly state: AwaitedState;
}

/** kubectl's conditions that the simulator knows, and `deleted`. */
export type AwaitedState = "Ready" | "Available" | "Complete" | "Failed" | "deleted";

/** Whose output `sim logs` shows. */
export type LogSource =
  /** A container of a pod: the first one when none is named. */
  | { readonly kind: "container"; readonly target: Target; readonly container?: string }
  /** A process of the mesh: `control` or `agent/NODE`. */
  | { readonly kind: "daemon"; readonly name: string };

/** A piece of output. */
export interface LogPiece {
  /** Whose it is: the pod that was chosen, when a Deployment or the like was named. */
  readonly source: LogSource;
  /** Bytes of the output in base64: a piece may end in the middle of a letter. */
  readonly base64: string;
  /** Count of all bytes so far: `from` of the next question. */
  readonly next: number;
}

/** Where `sim exec` must go. */
export interface Location {
  /** The sandbox's process, or the file of a node's network namespace. */
  readonly enter:
    | { readonly kind: "pod"; readonly pid: number }
    | { readonly kind: "node"; readonly netns: string };
  readonly cgroup: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The supervisor's answer. `problems` are for stderr and make the exit code 1; `warnings` leave it 0. */
export interface Reply {
  readonly lines: readonly string[];
  readonly problems: readonly string[];
  readonly warnings?: readonly string[];
  readonly status?: StatusReport;
  readonly location?: Location;
  readonly objects?: readonly RawObject[];
  readonly log?: LogPiece;
}

/** All that `sim status` knows. */
export interface StatusReport {
  readonly name: string;
  /** Empty when everything is ready. */
  readonly awaiting: string;
  readonly directory: string;
  readonly cgroup: string;
  readonly control?: DaemonState;
  /** URL of the Prometheus beside it, reachable from this machine. */
  readonly prometheus?: string;
  readonly nodes: readonly NodeStatus[];
  readonly agents: readonly AgentStatus[];
  readonly pods: readonly PodReport[];
  readonly services: readonly ServiceReport[];
}

/** One node. */
export interface NodeStatus {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly netns: string;
  readonly cgroup: string;
  /** URL of the agent's metrics, reachable from the node and from pods; absent without a mesh. */
  readonly metrics?: string;
  readonly adminSocket?: string;
  readonly log?: string;
}

/** Where a pod's connections go. */
export type PodPath = "proxy" | "direct" | "unknown";

/** One pod. */
export interface PodReport {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly terminating: boolean;
  readonly restarts: number;
  readonly addresses: readonly string[];
  /** Whether its annotations (or its namespace's) ask for the mesh. */
  readonly enrolled: boolean;
  /**
   * What the node's agent says it does with the pod's new connections: `proxy`, or `direct` when it leaves
   * them alone; `unknown` when an enrolled pod's agent does not answer (then its `mesh/fail` holds).
   */
  readonly path: PodPath;
  /** The agent's own word for the pod's state, for example `caught` or `leaving`. */
  readonly agentState?: string;
  /** What the agent says of that state, where it says more: why the pod could not be set up. */
  readonly agentDetail?: string;
  readonly netns: string;
  readonly cgroup: string;
  /** Why it is not running, when it is not. */
  readonly message?: string;
}

/** One Service. */
export interface ServiceReport {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIPs: readonly string[];
  readonly ports: readonly string[];
  readonly readyEndpoints: readonly string[];
}
