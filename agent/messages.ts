/** What main and a data worker tell each other. Plain values only: they cross a MessagePort. */

import type { MessagePort } from "node:worker_threads";
import type { PortRange, TraceShare } from "#model/enrolment.ts";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { DataLimits, DataTimeouts } from "./config.ts";
import type { MapFds } from "./kernel/sockets.ts";

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
  readonly mapFds: MapFds;
  /** What main and the workers know of each other (pulse.ts). */
  readonly pulse: SharedArrayBuffer;
  readonly limits: DataLimits;
  readonly timeouts: DataTimeouts;
  /** Share of requests and connections that get an access-log line where a pod's owner says nothing, 0 to 1. */
  readonly accessLog: number;
  /** Ring of access-log lines. */
  readonly log: SharedArrayBuffer;
  /** Which requests are traced where a pod's owner says nothing. */
  readonly trace: TraceShare;
  /** Ring of spans; undefined: there is nowhere to send them. */
  readonly spans: SharedArrayBuffer | undefined;
}

/** A pod that the worker shall serve. Descriptors are the process's. */
export interface PodInit {
  readonly uid: string;
  /** Number for fairness and budgets, never used twice. */
  readonly owner: number;
  /** The pod's network namespace, for sockets that are opened there; the worker owns it from now on. -1: the process's own. */
  readonly netnsFd: number;
  /** How the kernel's programs call that namespace; 0: none of theirs. */
  readonly netnsCookie: bigint;
  /** Listening socket of this worker in the pod's namespace; the worker owns it from now on. */
  readonly listenerFd: number;
  /** From where the kernel chooses ports in the pod's namespace. */
  readonly localPorts: PortRange;
  /** What the pod's namespace has: known before the API knows it. */
  readonly addresses: readonly string[];
}

/** What can be asked of a worker for the admin socket; `held`: what must be the same again when nothing is carried. */
export type Question = "connections" | "endpoints" | "held";

/** What main wants of a worker. Each gets exactly one answer, whatever happens: see Answer. */
export type Command =
  /** Decide by this from now on. */
  | { readonly kind: "apply"; readonly delta: SnapshotDelta }
  /** Accept connections of the pod. The descriptors in it are the worker's, whatever the answer. */
  | { readonly kind: "serve"; readonly pod: PodInit }
  /** Accept the pod's connections on this listener, after what came to the former one. It is the worker's, whatever the answer. */
  | { readonly kind: "move"; readonly uid: string; readonly listenerFd: number }
  /** Answered once nothing of the pod was carried for a while (the kernel sends nothing new), at once for an unknown one. It may be used again all the same. */
  | { readonly kind: "watch"; readonly uid: string }
  /** Accept nothing more for the pod and cut everything: answered once it is forgotten, which takes a bounded time. */
  | { readonly kind: "forget"; readonly uid: string }
  /** The kernel sends nothing new: end idle connections, serve others once. Answered once nothing was carried for a while. */
  | { readonly kind: "drain" }
  /** The drain's deadline has passed: answered once nothing is carried, which takes a bounded time. */
  | { readonly kind: "cut" }
  /** Control is away for long (state/absence.ts), or back. */
  | { readonly kind: "control"; readonly away: boolean }
  | { readonly kind: "ask"; readonly question: Question }
  /** End the thread. */
  | { readonly kind: "stop" };

/** The one answer to a command. */
export type Answer =
  | { readonly kind: "done" }
  /** To `ask`. */
  | { readonly kind: "rows"; readonly rows: readonly Row[] }
  /** Main did not want to wait any longer. */
  | { readonly kind: "cancelled" }
  /** The worker threw, or could not do it; what the command began may be half done. */
  | { readonly kind: "failed"; readonly problem: string };

/** From main to a worker. Commands are begun in the order in which they were sent. */
export type ToWorker =
  /** `id`: this worker's other commands have other ones. */
  | { readonly kind: "command"; readonly id: number; readonly command: Command }
  /** The answer is not waited for any more: `cancelled`, unless it is on its way already. */
  | { readonly kind: "cancel"; readonly id: number };

/** What a worker says unasked. */
export type News =
  /** Something else than HTTP is spoken on a port that declares it; said once in ten minutes for each. */
  | { readonly kind: "misdeclared"; readonly port: MisdeclaredPort }
  /** Control is away and no known endpoint of the Service answers: its connections go to its ClusterIP. Said once a minute. */
  | { readonly kind: "fell-back"; readonly service: string }
  /** A handler threw, or something is not as it must be; the text says what. */
  | { readonly kind: "bug"; readonly text: string };

/** From a worker to main. */
export type FromWorker =
  | { readonly kind: "started"; readonly wakeFd: number }
  | { readonly kind: "answer"; readonly id: number; readonly answer: Answer }
  | News;

/** One row of an answer: flat, JSON-able. */
export type Row = Readonly<Record<string, string | number>>;
