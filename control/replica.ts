/**
 * What control does in a cluster beside compiling and publishing: it has a certificate of the mesh's CA, admits
 * agents by their tokens, and takes part in the election; the leader repairs what agents trust and tells
 * users what is wrong. Needs the API server to start (and waits for it), afterwards only to learn news.
 */

import type { Http2SecureServer } from "node:http2";
import {
  AuthenticationV1Api,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  type KubeConfig,
} from "@kubernetes/client-node";
import type { Workload } from "#model/workload.ts";
import { Admitter } from "./admission/admitter.ts";
import { RefusalLog } from "./admission/refusal-log.ts";
import { tokenReviewer } from "./admission/token-review.ts";
import type { Refusal } from "./admission/verdict.ts";
import { ApiCalls } from "./api-call.ts";
import type { KubernetesConfig } from "./config.ts";
import { ApiEndpoint } from "./k8s/endpoint.ts";
import { Election } from "./leader/election.ts";
import type { Pipeline } from "./pipeline.ts";
import type { PublishServerOptions } from "./publish/server.ts";
import type { MisdeclaredReports } from "./report/misdeclared.ts";
import { Reporter, type ReporterOptions } from "./report/reporter.ts";
import type { WantedStatus } from "./report/status.ts";
import { uidIn } from "./report/uid.ts";
import { type Authority, servingNames } from "./tls/authority.ts";
import { keepAuthority, openAuthority } from "./tls/keep.ts";
import { type Serving, startServing } from "./tls/serving.ts";
import { AuthorityStore } from "./tls/store.ts";

/** What a replica works with. */
export interface ReplicaOptions {
  /** How to reach the API server. */
  readonly kube: KubeConfig;
  readonly settings: KubernetesConfig;
  readonly pipeline: Pick<Pipeline, "world" | "conditions">;
  /** What each ServiceMesh should say now. */
  readonly statuses: () => readonly WantedStatus[];
  /** All pods as they are now, by uid. */
  readonly workloads: () => ReadonlyMap<string, Workload>;
  /** What agents that are connected here report of users' objects. */
  readonly reports: Pick<MisdeclaredReports, "some" | "conditions">;
  /** A name that no other control process has. */
  readonly epoch: string;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Counts refused agents. */
  readonly onRefusal: (reason: Refusal) => void;
  /** Ends the start while it waits for the API server. */
  readonly signal: AbortSignal;
}

/** A replica that has started. Dispose to stop: a leader releases its lease. */
export interface Replica extends AsyncDisposable {
  /** The TLS server for agents, not yet listening. */
  readonly server: Http2SecureServer;
  readonly admit: NonNullable<PublishServerOptions["admit"]>;
  readonly recall: NonNullable<PublishServerOptions["recall"]>;
  readonly onRefused: NonNullable<PublishServerOptions["onRefused"]>;
  /** Whether this replica leads, and who holds the lease as last seen. */
  leadership(): { readonly leading: boolean; readonly holder: string | undefined };
}

/** Opens the CA, makes the server and joins the election. Rejects when the CA in the cluster can't be used. */
export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const { kube, settings, log } = options;
  const { namespace, serviceName } = settings;
  await using started = new AsyncDisposableStack();
  const calls = new ApiCalls(started.use(new ApiEndpoint(kube)));
  const store = new AuthorityStore({
    api: kube.makeApiClient(CoreV1Api),
    calls,
    namespace,
    now: Date.now,
  });
  const authority = await openAuthority(store, options.signal, (problem) =>
    log("waiting-for-authority", { problem }),
  );
  const serving = started.use(
    startServing({
      authority,
      newest: (inUse) => store.open(options.signal, inUse),
      dnsNames: servingNames(serviceName, namespace),
      now: Date.now,
      onRenewed: (renewAt) => log("certificate-renewed", { next: new Date(renewAt).toISOString() }),
    }),
  );
  const duties = startDuties(options, { calls, store, serving });
  started.defer(startTelling(options, calls));
  // After the election, which ends the term, and before the connections that the duties still use.
  started.defer(duties.ended);
  const election = started.use(duties.election);
  const running = started.move();
  return {
    server: serving.server,
    ...admission(options, calls),
    leadership: () => ({ leading: election.leading, holder: election.holder }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** What the leader does, bound to the election. */
function startDuties(
  options: ReplicaOptions,
  { calls, store, serving }: { calls: ApiCalls; store: AuthorityStore; serving: Serving },
): { readonly election: Election; readonly ended: () => Promise<void> } {
  const { kube, settings, pipeline, statuses, workloads, epoch, log } = options;
  const { namespace, identity } = settings;
  const reporter = new Reporter({
    ...reporting(options, calls),
    conditions: () => pipeline.conditions(),
    statuses,
    workloads,
  });
  let terms: readonly Promise<void>[] = [];
  const election = new Election({
    api: kube.makeApiClient(CoordinationV1Api),
    calls,
    namespace,
    // A restarted pod of the same name is another candidate.
    identity: `${identity}_${epoch}`,
    random: Math.random,
    onLead: (signal) => {
      log("leads", { identity });
      const onProblem = (problem: string): void => log("authority-not-kept", { problem });
      const inUse = (): Authority => serving.authority;
      terms = [reporter.run(signal), keepAuthority({ store, inUse, signal, onProblem })];
    },
    onLost: (why) => log("leads-no-more", { why }),
    onProblem: (problem) => log("lease-problem", { problem }),
  });
  const ended = async (): Promise<void> => {
    await Promise.all(terms);
  };
  return { election, ended };
}

/** What both of a replica's reporters work with. */
function reporting(
  { kube, settings, pipeline, log }: ReplicaOptions,
  calls: ApiCalls,
): Omit<ReporterOptions, "conditions" | "statuses" | "workloads"> {
  return {
    core: kube.makeApiClient(CoreV1Api),
    custom: kube.makeApiClient(CustomObjectsApi),
    calls,
    identity: settings.identity,
    uidOf: (ref) => uidIn(pipeline.world, ref),
    now: Date.now,
    onProblem: (problem) => log("not-reported", { problem }),
  };
}

/**
 * Tells what agents report. Each replica tells what its own agents do, leader or not: a port has one Event, since its name
 * is made of the port, so that two replicas find each other's. Returns how to stop.
 */
function startTelling(options: ReplicaOptions, calls: ApiCalls): () => Promise<void> {
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const { reports } = options;
  const reporter = new Reporter({
    ...reporting(options, calls),
    conditions: () => reports.conditions(),
    statuses: () => [],
  });
  // Mostly nobody reports anything: then the API server is not asked what was told.
  const telling = Promise.race([reports.some(), stopped]).then(() => reporter.run(stop.signal));
  return async () => {
    stop.abort();
    await telling;
  };
}

function admission(
  options: ReplicaOptions,
  calls: ApiCalls,
): Pick<Replica, "admit" | "recall" | "onRefused"> {
  const { kube, settings, pipeline, log, onRefusal } = options;
  const { namespace } = settings;
  const admitter = new Admitter({
    review: tokenReviewer(kube.makeApiClient(AuthenticationV1Api), calls),
    namespace,
    nodeOfPod: (name, uid) => {
      const pod = pipeline.world.pods.get(`${namespace}/${name}`);
      return pod?.metadata.uid === uid ? pod.spec.nodeName : undefined;
    },
    now: () => performance.now(),
  });
  const refusals = new RefusalLog(Date.now);
  return {
    admit: async (node, authorization) => {
      const verdict = await admitter.admit(node, authorization);
      if (verdict.kind === "refused") onRefusal(verdict.reason);
      return verdict;
    },
    recall: (node, authorization) => admitter.recall(node, authorization),
    onRefused: (node, problem) => {
      const told = refusals.take(node, problem);
      if (told !== undefined) log("agent-refused", { node, problem, untoldBefore: told.untold });
    },
  };
}
