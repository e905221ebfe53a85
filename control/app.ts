/**
 * Control's composition root: manifests or the Kubernetes API -> world -> compile -> publish -> agents, and the
 * windows through which others look in. Builds in order, stops in reverse.
 */

import {
  type Answer,
  closeServer,
  createGetServer,
  frugally,
  json,
  type Route,
  scrapeRoute,
  text,
} from "../agent/telemetry/get-server.ts";
import type { ControlConfig, KubernetesConfig, ListenAddress } from "./config.ts";
import { Departures } from "./departure.ts";
import type { Condition } from "./k8s/api/condition.ts";
import { loadKubeConfig } from "./k8s/kubeconfig.ts";
import { AGENT_SET, agentSet, RESOURCES } from "./k8s/resources.ts";
import { KubernetesSource, type ResourceState } from "./k8s/source.ts";
import { Readiness } from "./lifecycle.ts";
import { listenOn } from "./listen.ts";
import { ManifestSource } from "./manifests/source.ts";
import { type ControlMetrics, makeMetrics } from "./metrics.ts";
import { Pipeline } from "./pipeline.ts";
import { AgentRegistry } from "./publish/agents.ts";
import { Publisher } from "./publish/publisher.ts";
import { PublishServer, type PublishServerOptions, type Rival } from "./publish/server.ts";
import { startReplica } from "./replica.ts";
import { MisdeclaredReports } from "./report/misdeclared.ts";
import { Rivals } from "./report/rivals.ts";
import { type ControlStatus, statusPage } from "./status-page.ts";

/** What the process gives: its log, clock and a name that no other control process has. */
export interface ControlSeams {
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly now: () => Date;
  readonly epoch: string;
  /** Ends a start that waits for the API server. */
  readonly signal: AbortSignal;
}

/** A running control. Dispose to stop. */
export interface Control extends AsyncDisposable {
  /** Where agents, scrapers and the admin really connect. */
  readonly addresses: {
    readonly listen: string;
    readonly metrics: string | undefined;
    readonly admin: string | undefined;
  };
}

/** The parts that do not depend on where the world comes from. */
interface Core {
  readonly seams: ControlSeams;
  readonly readiness: Readiness;
  readonly publisher: Publisher;
  readonly agents: AgentRegistry;
  readonly pipeline: Pipeline;
  readonly metrics: ControlMetrics;
  /** What agents report of users' objects. */
  readonly reports: MisdeclaredReports;
  /** What was seen of second agents of a node. */
  readonly rivals: Rivals;
  /** Whether this replica leads; set once there is an election. Alone it does. */
  leading: () => boolean;
  /** How each collection of the API is followed; set once there are any. */
  resources: () => readonly ResourceState[];
}

/** Starts control. Rejects with a message for the operator when something can't start; nothing is left running then. */
export async function startControl(config: ControlConfig, seams: ControlSeams): Promise<Control> {
  await using started = new AsyncDisposableStack();
  const core = makeCore(seams);
  const listening = core.readiness.await("listening for agents");
  const addresses = await openWindows(core, config, started);
  const { farewell, ...admission } = config.kubernetes
    ? await startOnCluster(core, config.kubernetes, started)
    : await startOnManifests(core, config.manifests, started);
  const { publisher, agents, metrics } = core;
  const onAck = (node: string, refusal: boolean): void => {
    metrics.acks.inc({ verdict: refusal ? "refused" : "taken" });
    if (refusal) seams.log("nack", { node, nack: agents.get(node)?.nacks[0] });
  };
  const onMisdeclared: PublishServerOptions["onMisdeclared"] = (node, ports) =>
    core.reports.take(node, ports);
  const onCut: PublishServerOptions["onCut"] = (reason) => metrics.cutConnections.inc({ reason });
  const onRival = (rival: Rival): void => {
    metrics.rivalStreams.inc({ outcome: rival.kind });
    core.rivals.take(rival);
  };
  const server = new PublishServer({
    ...{ ...admission, publisher, agents, onAck, onMisdeclared, onCut, onRival },
  });
  const listen = await listenOn(server.server, config.listen);
  started.defer(() => server.close());
  started.defer(() => farewell?.());
  listening();
  const running = started.move();
  return {
    addresses: { listen, ...addresses },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function makeCore(seams: ControlSeams): Core {
  const publisher = new Publisher(seams.epoch);
  const agents = new AgentRegistry(seams.now);
  const pipeline = new Pipeline(publisher, seams.log);
  const metrics = makeMetrics({ publisher, agents, pipeline });
  pipeline.observe(metrics);
  const readiness = new Readiness();
  const reports = new MisdeclaredReports({
    compilation: () => pipeline.compilation,
    isConnected: (node) => agents.get(node)?.connected === true,
    now: () => performance.now(),
    onNew: (node, port) => seams.log("misdeclared-port", { node, ...port }),
  });
  const rivals = new Rivals({
    now: () => performance.now(),
    onNew: ({ ref, problem }) => seams.log("second-agent", { node: ref.name, problem }),
  });
  const alone = { leading: () => true, resources: () => [] };
  return { seams, readiness, publisher, agents, pipeline, metrics, reports, rivals, ...alone };
}

/** Who answers, by path. */
type Pages = Readonly<Record<string, Route>>;

/** Opened first: whoever waits for control can see what it waits for. */
async function openWindows(
  core: Core,
  config: ControlConfig,
  started: AsyncDisposableStack,
): Promise<Omit<Control["addresses"], "listen">> {
  const { readiness, metrics, agents, publisher } = core;
  const conditions = (): readonly Condition[] => [
    ...core.pipeline.conditions(),
    ...core.reports.conditions(),
    ...core.rivals.conditions(),
  ];
  const status = (): ControlStatus =>
    statusPage({
      snapshot: publisher.snapshot,
      leader: core.leading(),
      agents: agents.list(),
      conditions: conditions(),
      resources: core.resources(),
    });
  const windows = {
    "/metrics": scrapeRoute(metrics.page),
    "/ready": () => ready(readiness),
    "/live": () => text(200, "live"),
    "/status": frugally(() => json(status())),
  };
  const admin = {
    "/conditions": () => json(conditions()),
    "/agents": () => json(agents.list()),
    "/snapshot": () => json(publisher.snapshot),
    "/ready": () => ready(readiness),
  };
  const open = async (where: ListenAddress, pages: Pages): Promise<string> => {
    const routes = new Map(Object.entries(pages));
    const onError = (path: string, error: unknown): void =>
      core.seams.log("page-failed", { path, error: String(error) });
    const server = createGetServer({ routes, onError });
    const address = await listenOn(server, where);
    started.defer(() => closeServer(server));
    return address;
  };
  return {
    metrics: config.metrics && (await open(config.metrics, windows)),
    admin: config.admin && (await open({ kind: "unix", path: config.admin }, admin)),
  };
}

/** How agents are let in: everybody, over cleartext, unless the cluster says otherwise. */
interface Admission
  extends Pick<PublishServerOptions, "server" | "admit" | "recall" | "onRefused"> {
  /** What to do while agents are still connected when control ends. */
  readonly farewell?: () => Promise<void>;
}

async function startOnManifests(
  { readiness, pipeline }: Core,
  paths: readonly string[],
  started: AsyncDisposableStack,
): Promise<Admission> {
  const manifestsRead = readiness.await("manifests read");
  const source = await ManifestSource.open({
    paths,
    onChanges: (changes) => pipeline.take(changes),
  });
  started.use(source);
  pipeline.start(() => source.conditions());
  manifestsRead();
  return {};
}

async function startOnCluster(
  core: Core,
  settings: KubernetesConfig,
  started: AsyncDisposableStack,
): Promise<Admission> {
  const { readiness, pipeline, publisher, agents, metrics, reports, rivals, seams } = core;
  const { log, epoch, signal } = seams;
  const kube = loadKubeConfig(settings.kubeconfig);
  const authorityOpen = readiness.await("the mesh's CA");
  const name = { namespace: settings.namespace, name: AGENT_SET };
  const now = (): number => performance.now();
  const departures = started.use(new Departures({ name, pipeline, publisher, agents, now }));
  const source = await KubernetesSource.open({
    config: kube,
    resources: [...RESOURCES, agentSet(settings.namespace)],
    onChanges: (changes) => {
      departures.take(changes);
      pipeline.take(changes);
    },
    await: (name) => readiness.await(name),
    log,
    signal,
  });
  started.use(source);
  core.resources = () => source.states();
  pipeline.start(() => source.conditions());
  const replica = await startReplica({
    ...{ kube, settings, pipeline, epoch, log, signal },
    statuses: () => pipeline.statuses(),
    workloads: () => pipeline.compilation.workloads,
    reports: {
      some: () => Promise.race([reports.some(), rivals.some()]),
      conditions: () => [...reports.conditions(), ...rivals.conditions()],
    },
    onRefusal: (reason) => metrics.refusedAgents.inc({ reason }),
  });
  started.use(replica);
  core.leading = () => replica.leadership().leading;
  metrics.watch({ source, leadership: () => replica.leadership() });
  authorityOpen();
  const { server, admit, recall, onRefused } = replica;
  return { server, admit, recall, onRefused, farewell: () => departures.farewell() };
}

function ready(readiness: Readiness): Answer {
  const awaited = readiness.awaited();
  return awaited.length === 0 ? text(200, "ready") : text(503, `awaiting: ${awaited.join(", ")}`);
}
