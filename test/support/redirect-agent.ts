/**
 * A process with the real redirect (programs, maps, namespaces) and the smallest relay instead of the proxy
 * engine: outbound connections are answered with what the agent saw, inbound ones are relayed to the
 * application with the client's address. Started by Child.start(); can be stopped and killed as an agent can.
 */
import { createServer, type Server, Socket } from "node:net";
import { MeshBpf } from "../../agent/kernel/bpf.ts";
import { libc } from "../../agent/kernel/ffi.ts";
import { BEAT_MS, Heartbeat } from "../../agent/kernel/heartbeat.ts";
import { MARK_INBOUND, MARK_UPSTREAM } from "../../agent/kernel/layout.gen.ts";
import {
  IP_BIND_ADDRESS_NO_PORT,
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  SOL_IP,
  SOL_IPV6,
} from "../../agent/kernel/socket-constants.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import { formatAddress, parseAddress, unmapAddress } from "../../agent/model/address.ts";
import { EMPTY_SNAPSHOT } from "../../agent/model/snapshot.ts";
import type { Workload } from "../../agent/model/workload.ts";
import { DirectoryLocator } from "../../agent/redirect/locator.ts";
import type { CaughtPod, PodUsers } from "../../agent/redirect/pod-users.ts";
import { type PodStatus, Redirect } from "../../agent/redirect/redirect.ts";
import { answerCalls } from "./child-calls.ts";

const F_DUPFD_CLOEXEC = 1030;

/** Where the agent works. */
export interface AgentPlace {
  readonly pinDirectory: string;
  readonly cgroup: string;
  readonly podDirectory: string;
  readonly workers: number;
  /** Cookie of the namespace where kubelet would be. */
  readonly node: bigint;
}

/** What the agent's process can be asked for. */
export type RedirectAgent = {
  start(place: AgentPlace): void;
  /** A snapshot of just these workloads. Resolves when it is enforced. */
  apply(workloads: readonly Workload[]): Promise<void>;
  /** Dials as the agent does for a pod's outbound connection; returns what comes until the end. */
  dialFor(hop: Hop & { readonly uid: string }): Promise<string>;
  status(): PodStatus[];
  counters(): Readonly<Record<string, bigint>>;
  /** The last relayed connection of the pod is over. */
  end(uid: string): void;
  /** Goes as an agent does that will be followed by another one. */
  stop(): void;
  uninstall(): Promise<void>;
};

interface Running {
  readonly bpf: MeshBpf;
  /** Makes sockets the agent's own. */
  readonly sockets: Sockets;
  readonly heartbeat: Disposable;
  readonly locator: DirectoryLocator;
  readonly redirect: Redirect;
}

const sockets = new Sockets();
const servers = new Map<string, Server[]>();
const places = new Map<string, Relayed>();
const endings = new Map<string, () => void>();
let running: Running | undefined;

/** A pod as its connections need it. */
type Relayed = Pick<CaughtPod, "uid" | "netns" | "addresses">;

const users: PodUsers = {
  async added(pod) {
    places.set(pod.uid, pod);
    listenOn(pod);
  },
  async moved({ uid, listeners }) {
    for (const former of servers.get(uid) ?? []) former.close();
    const pod = places.get(uid);
    if (pod !== undefined) listenOn({ ...pod, listeners });
  },
  idle: (uid) => new Promise((resolve) => endings.set(uid, resolve)),
  async removed(uid) {
    for (const server of servers.get(uid) ?? []) server.close();
    servers.delete(uid);
    places.delete(uid);
  },
};

/** Node closes what it listens on, so it gets a duplicate. */
function listenOn(pod: Relayed & Pick<CaughtPod, "listeners">): void {
  servers.set(
    pod.uid,
    pod.listeners.map((fd) => relayOn(fd, pod)),
  );
}

function relayOn(fd: number, pod: Relayed): Server {
  const server = createServer((client) => relay(client, pod));
  return server.listen({ fd: libc.fcntl(fd, F_DUPFD_CLOEXEC, 0) });
}

function relay(client: Socket, pod: Relayed): void {
  client.on("error", () => client.destroy());
  const { from, to, port } = endsOf(client);
  if (!pod.addresses.includes(to)) {
    client.end(`agent sees ${from} to ${to} ${port}`);
    return;
  }
  const upstream = openSocket(pod.netns, { from, to, port });
  upstream.on("error", () => client.resetAndDestroy());
  upstream.pipe(client).pipe(upstream);
}

/** Both addresses; empty for link-local ones, whose interface Node looks for in this process's own namespace. */
function endsOf(client: Socket): Required<Hop> {
  try {
    const [from, to] = [plain(client.remoteAddress), plain(client.localAddress)];
    return { from, to, port: client.localPort ?? 0 };
  } catch {
    return { from: "", to: "", port: 0 };
  }
}

/** A connection to open. */
export interface Hop {
  /** The client's address to appear with; absent = the pod's own. */
  readonly from?: string;
  readonly to: string;
  readonly port: number;
}

function openSocket(netns: number, { from, to, port }: Hop): Socket {
  const fd = sockets.socket(to, netns);
  agent().sockets.claim(fd, from === undefined ? MARK_UPSTREAM : MARK_INBOUND);
  if (from !== undefined) {
    sockets.setOption(fd, SOL_IP, IP_TRANSPARENT, 1);
    sockets.setOption(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
    // As agent/engine/connect.ts does it: a port that bind() had chosen would be kept by bpf/source-port.h.
    sockets.setOption(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    sockets.bind(fd, { ip: from, port: 0 });
  }
  // On `lo` and on a veth the handshake is over when connect() returns, or refused.
  sockets.connect(fd, { ip: to, port });
  return new Socket({ fd });
}

function plain(address: string | undefined): string {
  const bytes = parseAddress(address ?? "");
  return bytes === undefined ? "" : formatAddress(unmapAddress(bytes));
}

function agent(): Running {
  if (running === undefined) throw new Error("start the agent first");
  return running;
}

function start({ pinDirectory, cgroup, podDirectory, workers, node }: AgentPlace): void {
  const bpf = new MeshBpf({ pinDirectory, cgroup, node });
  const locator = new DirectoryLocator(podDirectory);
  const redirect = new Redirect({ node: "one", workers, kernel: bpf, locator, users });
  const { mapFds } = bpf;
  const sockets = new Sockets(mapFds);
  running = { bpf, sockets, locator, redirect, heartbeat: beating(mapFds.heartbeat) };
}

/** As a data worker does. */
function beating(heartbeatFd: number): Disposable {
  const heartbeat = new Heartbeat(heartbeatFd);
  heartbeat.beat();
  const timer = setInterval(() => heartbeat.beat(), BEAT_MS).unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      heartbeat.sayGoodbye();
    },
  };
}

async function apply(workloads: readonly Workload[]): Promise<void> {
  const all = new Map(workloads.map((workload) => [workload.uid, workload]));
  await agent().redirect.apply({ ...EMPTY_SNAPSHOT, workloads: all });
}

async function dialFor({ uid, ...hop }: Hop & { readonly uid: string }): Promise<string> {
  const socket = openSocket(places.get(uid)?.netns ?? -1, hop);
  const answer = await socket.setEncoding("utf8").toArray();
  return answer.join("");
}

const operations: RedirectAgent = {
  start,
  apply,
  dialFor,
  status: () => agent().redirect.status(),
  counters: () => ({ ...Object.fromEntries(agent().redirect.counters()) }),
  end: (uid) => endings.get(uid)?.(),
  stop() {
    const { bpf, heartbeat, locator, redirect } = agent();
    for (const thing of [heartbeat, redirect, locator, bpf]) thing[Symbol.dispose]();
    for (const uid of servers.keys()) void users.removed(uid);
  },
  async uninstall() {
    const { bpf, heartbeat, locator, redirect } = agent();
    await redirect.uninstall();
    for (const thing of [heartbeat, locator]) thing[Symbol.dispose]();
    bpf.uninstall();
  },
};

answerCalls(operations);
