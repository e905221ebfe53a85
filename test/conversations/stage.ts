/**
 * Where conversations are held: one real data worker, and for each conversation a pod of its own with its own
 * addresses, listener and service, so that hundreds go on at once and none knows of the others.
 *
 * Clients and the worker's listeners live in the namespace of this process, servers and the worker's upstream
 * connections in a second one: so a fixed destination can have one address in both, as a pod has.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Endpoint as ModelEndpoint, Service } from "#model/service.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import { openListener } from "../../agent/engine/listen.ts";
import type { SocketAddress } from "../../agent/engine/system.ts";
import { EINPROGRESS } from "../../agent/kernel/errno.ts";
import { setLink } from "../../agent/kernel/links.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { closeNetns, createNetns, deleteNetns, openNetns } from "../../agent/kernel/netns.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import type { Row } from "../../agent/messages.ts";
import { Collector } from "../../agent/telemetry/collector.ts";
import { createLogRing } from "../../agent/telemetry/log-ring.ts";
import type { Workers } from "../../agent/workers.ts";
import { rigWorkers } from "../support/worker-rig.ts";
import type { Dial } from "./client.ts";
import type { Conversation } from "./conversation.ts";
import { type Common, FILLER, Server } from "./server.ts";
import { pause } from "./wake.ts";

/** Until an answer begins, milliseconds: well above what a busy machine needs. */
export const REQUEST_MS = 4000;
/** Until another endpoint is dialled besides: before the kernel asks the first one again after a second. */
const CONNECT_MS = 300;
/** Nothing sent either way. */
const IDLE_MS = 20_000;

/** Addresses are numbered: after so many conversations they are used again. */
const NUMBERS = 60_000;
/** How often the worker is asked what it carries, for all that want to know. */
const ROWS_EVERY_MS = 30;

/** One for all stages: it keeps a descriptor of this thread's own namespace. */
const SOCKETS = new Sockets();

/** A port where nobody listens. */
const DEAF_PORT = 9;

interface Change {
  readonly upsertWorkloads: Workload[];
  readonly removeWorkloads: string[];
  readonly upsertServices: Service[];
  readonly removeServices: string[];
}

/** What the worker says that it carries. */
export interface Carried {
  readonly connections: readonly Row[];
  readonly endpoints: readonly Row[];
}

/** A stage with a running worker. */
export class Stage implements AsyncDisposable {
  readonly workers: Workers;
  /** Errors of the worker. */
  readonly bugs: string[] = [];
  /** Descriptor of the servers' namespace; negative when conversations are held directly. */
  readonly netns: number;
  readonly direct: boolean;
  #version = 0;
  #pending: Change | undefined;
  #flushed: Promise<void> = Promise.resolve();
  #rows: Promise<Carried> | undefined;

  /** `direct`: clients dial the servers themselves, without a mesh: what is right can be tried out. */
  static async open(direct = false): Promise<Stage> {
    const stage = new Stage(direct);
    if (!direct) await stage.workers.start();
    return stage;
  }

  private constructor(direct: boolean) {
    this.direct = direct;
    this.netns = direct ? -1 : newNamespace();
    const timeouts = {
      connectMs: CONNECT_MS,
      requestMs: REQUEST_MS,
      headMs: REQUEST_MS,
      idleMs: IDLE_MS,
      poolIdleMs: 1000,
    };
    const collector = new Collector({ clock: () => performance.now() });
    const [log, spans] = [createLogRing(), createLogRing()];
    const said = { log, spans, bugs: this.bugs, fallbacks: [], misdeclared: [] };
    this.workers = rigWorkers({ timeouts }, collector, said);
  }

  /** Tells the worker of a change; resolves when it decides by it. */
  async change(make: (change: Change) => void): Promise<void> {
    if (this.#pending === undefined) {
      const pending = {
        upsertWorkloads: [],
        removeWorkloads: [],
        upsertServices: [],
        removeServices: [],
      };
      this.#pending = pending;
      this.#flushed = pause(0).then(() => this.#flush(pending));
    }
    make(this.#pending);
    await this.#flushed;
  }

  /** What the worker carries some time after now. */
  async carried(): Promise<Carried> {
    this.#rows ??= pause(ROWS_EVERY_MS).then(async () => {
      this.#rows = undefined;
      const connections = await this.workers.ask("connections");
      return { connections, endpoints: await this.workers.ask("endpoints") };
    });
    return this.#rows;
  }

  /** Timers, and memory for requests and heads, that the worker has in use. */
  held(): Promise<readonly Row[]> {
    return this.workers.ask("held");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.direct) await this.workers.stop();
    if (this.netns >= 0) closeNetns(this.netns);
  }

  async #flush(change: Change): Promise<void> {
    this.#pending = undefined;
    const delta: SnapshotDelta = {
      epoch: "stage",
      base: this.#version === 0 ? "nothing" : this.#version,
      version: ++this.#version,
      ...change,
      changeEndpoints: [],
    };
    await this.workers.apply(delta);
  }
}

/** The part of the stage that one conversation has. */
export class Place {
  readonly dial: Dial;
  readonly uid: string;
  readonly servers: (Server | undefined)[] = [];
  readonly #stage: Stage;
  readonly #conversation: Conversation;
  readonly #number: number;
  #listenerFd: number;
  readonly #endpoints: readonly ModelEndpoint[];
  readonly #away: Set<number> = new Set();

  /** Sets everything up for the conversation with this number. */
  static async take(stage: Stage, common: Common, number: number): Promise<Place> {
    const place = new Place(stage, common, number);
    if (!stage.direct) await place.#enrol();
    return place;
  }

  private constructor(stage: Stage, common: Common, number: number) {
    this.#stage = stage;
    this.#conversation = common.conversation;
    this.#number = number % NUMBERS;
    this.uid = `pod-${number}`;
    const { destination, endpoints } = common.conversation;
    const pod = this.#address(20);
    const dialled = this.#address({ service: 30, pod: 40, stranger: 45, inbound: 20 }[destination]);
    const listener = stage.direct ? undefined : listenAt(SOCKETS, dialled, 0, -1);
    this.#listenerFd = listener?.fd ?? -1;
    const fixedPort = destination === "service" ? 0 : (listener?.port ?? 0);
    this.#endpoints = endpoints.map(({ takes, full }, index) => {
      const address = destination === "service" ? this.#address(50) : dialled;
      if (takes === "none")
        return { address, port: fixedPort || DEAF_PORT + index, state: "ready" };
      const backlog = full === undefined ? undefined : 0;
      const { fd, port } = listenAt(SOCKETS, address, fixedPort, stage.netns, backlog);
      if (full !== undefined) fillBacklog(SOCKETS, { ip: address, port }, stage.netns);
      this.servers[index] = new Server(common, index, fd, () => SOCKETS.close(fd));
      return { address, port, state: "ready" };
    });
    const first = this.#endpoints.find((_, index) => this.servers[index] !== undefined);
    this.dial = {
      host: stage.direct ? (first?.address ?? dialled) : dialled,
      port: stage.direct ? (first?.port ?? DEAF_PORT) : (listener?.port ?? 0),
      localAddress: destination === "inbound" ? this.#address(60) : pod,
    };
  }

  /** Whether the pod left the mesh in time, whatever its servers do. */
  async unenrol(milliseconds: number): Promise<boolean> {
    if (this.#stage.direct) return true;
    this.#closeListener();
    const removed = this.#stage.workers.removed(this.uid).then(() => true);
    return Promise.race([removed, pause(milliseconds).then(() => false)]);
  }

  /** Control takes an endpoint out of the service or back in. */
  async setEndpoint(index: number, there: boolean): Promise<void> {
    if (there) this.#away.delete(index);
    else this.#away.add(index);
    if (!this.#stage.direct)
      await this.#stage.change(({ upsertServices }) => upsertServices.push(this.#service()));
  }

  /** What the worker carries for this conversation, as words; empty = nothing. */
  async carried(): Promise<readonly string[]> {
    if (this.#stage.direct) return [];
    const { connections, endpoints } = await this.#stage.carried();
    return [
      ...connections
        .filter(({ pod }) => pod === this.uid)
        .map(({ phase, protocol }) => `a connection is carried still: ${protocol} ${phase}`),
      ...endpoints
        .filter(({ service, active }) => service === `talks/${this.uid}` && active !== 0)
        .map(({ endpoint, active }) => `endpoint ${endpoint} counts ${active} as active`),
    ];
  }

  /** Takes everything down. The pod must have left the mesh. */
  async leave(): Promise<void> {
    for (const server of this.servers) server?.die();
    if (this.#stage.direct) return;
    this.#closeListener();
    await this.#stage.change(({ removeWorkloads, removeServices }) => {
      removeWorkloads.push(this.uid);
      if (this.#conversation.destination === "pod") removeWorkloads.push(`${this.uid}-server`);
      if (this.#conversation.destination === "service") removeServices.push(`talks/${this.uid}`);
    });
  }

  /** The kernel leads nobody here any more. */
  #closeListener(): void {
    if (this.#listenerFd >= 0) SOCKETS.close(this.#listenerFd);
    this.#listenerFd = -1;
  }

  #address(network: number): string {
    return `127.${network}.${this.#number >> 8}.${this.#number & 255}`;
  }

  async #enrol(): Promise<void> {
    const { destination, declared } = this.#conversation;
    const addresses = [this.#address(20)];
    const ports = [{ port: this.dial.port, protocol: declared }];
    const pod = workload(this.uid, addresses, destination === "inbound" ? ports : []);
    await this.#stage.change(({ upsertWorkloads, upsertServices }) => {
      upsertWorkloads.push({ ...pod, enrolment: DEFAULT_ENROLMENT });
      if (destination === "pod")
        upsertWorkloads.push(workload(`${this.uid}-server`, [this.#address(40)], ports));
      if (destination === "service") upsertServices.push(this.#service());
    });
    const listeners = [this.#listenerFd];
    const { netns } = this.#stage;
    await withListenerPort(1, () =>
      this.#stage.workers.added({ uid: this.uid, netns, addresses, listeners }),
    );
  }

  #service(): Service {
    return {
      namespace: "talks",
      name: this.uid,
      addresses: [this.dial.host],
      balance: { kind: "round-robin" },
      connections: this.#conversation.own ? "own" : "shared",
      ports: [
        {
          name: "",
          port: this.dial.port,
          protocol: this.#conversation.declared,
          endpoints: this.#endpoints
            .filter((_, index) => !this.#away.has(index))
            .sort((a, b) => a.port - b.port),
        },
      ],
    };
  }
}

function workload(uid: string, addresses: string[], ports: Workload["ports"]): Workload {
  return {
    ...{ uid, name: uid, namespace: "talks", owner: uid, serviceAccount: "default", node: "rig" },
    addresses,
    ports,
  };
}

/**
 * In a mesh the listener has another port than what clients dial: the kernel leads them to it. Here it is dialled
 * itself, so the worker is told of another port than the one it has; else it would take inbound connections for
 * somebody who has found the agent's own port.
 */
function withListenerPort<T>(port: number, work: () => T): T {
  const { prototype } = Sockets;
  const { localAddress } = prototype;
  prototype.localAddress = () => ({ ip: "0.0.0.0", port });
  try {
    return work();
  } finally {
    prototype.localAddress = localAddress;
  }
}

function listenAt(
  sockets: Sockets,
  ip: string,
  port: number,
  netns: number,
  backlog?: number,
): { readonly fd: number; readonly port: number } {
  const room = backlog === undefined ? {} : { backlog };
  const fd = openListener(sockets, { at: { ip, port }, netns, ...room });
  const address = fd < 0 ? fd : sockets.localAddress(fd);
  if (typeof address === "number") throw new Error(`no listener at ${ip}: errno ${-address}`);
  return { fd, port: address.port };
}

/** One connection fills a backlog of nothing; it stays in there when it has ended, until it is accepted. */
function fillBacklog(sockets: Sockets, to: SocketAddress, netns: number): void {
  const fd = sockets.socket(to.ip, netns);
  const bound = sockets.bind(fd, { ip: FILLER, port: 0 });
  const begun = bound < 0 ? bound : sockets.connect(fd, to);
  if (begun < 0 && begun !== -EINPROGRESS) throw new Error(`no filler: errno ${-begun}`);
  sockets.close(fd);
}

/** It lives as long as its descriptor: nothing is left behind by a process that is killed. */
function newNamespace(): number {
  const folder = mkdtempSync(join(tmpdir(), "conversations-"));
  const path = join(folder, "servers");
  createNetns(path);
  const netns = openNetns(path);
  deleteNetns(path);
  rmSync(folder, { recursive: true });
  const netlink = openNetlink(netns);
  setLink(netlink, "lo", { up: true });
  netlink[Symbol.dispose]();
  return netns;
}
