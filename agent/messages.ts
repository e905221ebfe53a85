/** What main and a data worker tell each other. Plain values only: they cross a MessagePort. */

import type { MessagePort } from "node:worker_threads";
import type { PortRange } from "#model/enrolment.ts";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { DataLimits, DataTimeouts } from "./config.ts";

/** What a worker is born with (`workerData`). */
export interface WorkerInit {
  readonly index: number;
  /** Workers of this agent: budgets of the whole agent are divided by it. */
  readonly workers: number;
  /** spec.nodeName of the pods that are served. */
  readonly node: string;
  /** Both directions of messages; the worker reads it when its wake descriptor fires. */
  readonly port: MessagePort;
  /** Block of shared counters (agent/telemetry). */
  readonly metrics: SharedArrayBuffer;
  /** Marks of the agent's own sockets (bpf/mesh.h). */
  readonly upstreamMark: number;
  readonly inboundMark: number;
  readonly limits: DataLimits;
  readonly timeouts: DataTimeouts;
  /** Fraction of requests and connections that get an access-log line, 0 to 1. */
  readonly accessLog: number;
  /** Ring of access-log lines; undefined when the log is off. */
  readonly log: SharedArrayBuffer | undefined;
}

/** A pod that the worker shall serve. Descriptors are the process's. */
export interface PodInit {
  readonly uid: string;
  /** Number for fairness and budgets, never used twice. */
  readonly owner: number;
  readonly netnsFd: number;
  /** Listening socket of this worker in the pod's namespace; the worker owns it from now on. */
  readonly listenerFd: number;
  readonly listenerPort: number;
  /** From where the kernel chooses ports in the pod's namespace. */
  readonly localPorts: PortRange;
  /** What the pod's namespace has: known before the API knows it. */
  readonly addresses: readonly string[];
}

/** What can be asked of a worker for the admin socket. */
export type Question = "connections" | "endpoints";

/** From main to a worker. */
export type ToWorker =
  | { readonly kind: "snapshot"; readonly delta: SnapshotDelta }
  | { readonly kind: "pod-added"; readonly pod: PodInit }
  /** The kernel sends nothing new for the pod: `pod-idle` follows once nothing was carried for a while. It may be used again all the same. */
  | { readonly kind: "pod-watched"; readonly uid: string }
  /** Accept nothing more for the pod and cut everything; `pod-empty` follows. */
  | { readonly kind: "pod-gone"; readonly uid: string }
  /** The kernel sends nothing new: end idle connections, serve others once; `drained` follows once nothing was carried for a while. */
  | { readonly kind: "drain" }
  /** The drain's deadline has passed; `drained` follows. */
  | { readonly kind: "cut" }
  /** Control is away for long (state/absence.ts), or back. */
  | { readonly kind: "control"; readonly away: boolean }
  | { readonly kind: "stop" }
  | { readonly kind: "ask"; readonly id: number; readonly question: Question };

/** From a worker to main. */
export type FromWorker =
  | { readonly kind: "started"; readonly wakeFd: number }
  | { readonly kind: "applied"; readonly version: number; readonly epoch: string }
  | { readonly kind: "pod-idle"; readonly uid: string }
  | { readonly kind: "pod-empty"; readonly uid: string }
  | { readonly kind: "drained" }
  | { readonly kind: "answer"; readonly id: number; readonly rows: readonly Row[] }
  /** Something else than HTTP is spoken on a port that declares it; said once in ten minutes for each. */
  | { readonly kind: "misdeclared"; readonly port: MisdeclaredPort }
  /** Control is away and no known endpoint of the Service answers: its connections go to its ClusterIP. Said once a minute. */
  | { readonly kind: "fell-back"; readonly service: string }
  | { readonly kind: "bug"; readonly text: string };

/** One row of an answer: flat, JSON-able. */
export type Row = Readonly<Record<string, string | number>>;
