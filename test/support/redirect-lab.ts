/**
 * Two pods on one node and a place outside, made of network namespaces, with a cgroup and a bpffs of their
 * own: what a test of the redirect needs. Disposing removes all of it.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addAddress } from "../../agent/kernel/addresses.ts";
import { createVeth, setLink } from "../../agent/kernel/links.ts";
import { detachMount, mountBpf } from "../../agent/kernel/namespace-calls.ts";
import { NETLINK, openNetlink } from "../../agent/kernel/netlink.ts";
import {
  closeNetns,
  createNetns,
  deleteNetns,
  netnsCookie,
  openNetns,
  writeSysctl,
} from "../../agent/kernel/netns.ts";
import { addRoute } from "../../agent/kernel/routes.ts";
import { listListeners } from "../../agent/kernel/sock-diag.ts";
import type { Enrolment } from "../../agent/model/enrolment.ts";
import { DEFAULT_ENROLMENT } from "../../agent/model/enrolment.ts";
import type { Workload } from "../../agent/model/workload.ts";
import { CgroupLab } from "./cgroup-lab.ts";
import { Child } from "./child-calls.ts";
import type { PodProcess } from "./pod-process.ts";
import type { AgentPlace, RedirectAgent } from "./redirect-agent.ts";

/** The three places; each pod is linked to `outside`, which routes between them. */
export const PLACES = {
  web: { ipv4: "10.77.1.2", ipv6: "fd77:1::2" },
  db: { ipv4: "10.77.2.2", ipv6: "fd77:2::2" },
  outside: { ipv4: "10.77.1.1", ipv6: "fd77:1::1" },
} as const;

/** One of them. */
export type PlaceName = keyof typeof PLACES;

/** A service address that nobody has: only the agent answers there. */
export const VIP = { ipv4: "10.96.0.10", ipv6: "fd96::10" } as const;

/** See the file's head. */
export class RedirectLab implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "nodemesh-lab-"));
  readonly #cgroup: CgroupLab = new CgroupLab();
  readonly #open = new Map<PlaceName, number>();
  readonly #children: Child<never>[] = [];

  constructor() {
    this.#cgroup.join();
    mkdirSync(this.podDirectory);
    mkdirSync(this.bpffs);
    mountBpf(this.bpffs);
    for (const name of ["outside", "web", "db"] as const) this.#make(name);
    this.#connect("web", 1);
    this.#connect("db", 2);
  }

  get podDirectory(): string {
    return join(this.directory, "pods");
  }

  /** The namespace file of a place. */
  path(name: PlaceName): string {
    return name === "outside" ? join(this.directory, name) : join(this.podDirectory, name);
  }

  /** Descriptor of a place's namespace. It is the lab's: don't close it. */
  netns(name: PlaceName): number {
    const netns = this.#open.get(name);
    if (netns === undefined) throw new Error(`${name} is gone`);
    return netns;
  }

  /** A process in a place. */
  process(name: PlaceName): Promise<Child<PodProcess>> {
    return this.#start<PodProcess>("pod-process.ts", this.netns(name));
  }

  /** A process in a place, but outside the cgroup of the node: the kernel's programs don't see what it does. */
  async strangerIn(name: PlaceName): Promise<Child<PodProcess>> {
    const stranger = await this.process(name);
    this.#cgroup.expel(stranger.process.pid ?? 0);
    return stranger;
  }

  /** An agent on the node, started. `workers` listeners in each pod. */
  async agent(workers = 2): Promise<Child<RedirectAgent>> {
    const agent = await this.#start<RedirectAgent>("redirect-agent.ts");
    const { podDirectory } = this;
    const pinDirectory = join(this.directory, "bpf", "agent");
    const node = netnsCookie(this.netns("outside"));
    const cgroup = this.#cgroup.path;
    const place: AgentPlace = { podDirectory, pinDirectory, cgroup, workers, node };
    await agent.call("start", place);
    return agent;
  }

  /** The BPF file system that the agent pins on. */
  get bpffs(): string {
    return join(this.directory, "bpf");
  }

  /** Lets go of a place's namespace, as when a pod is deleted. */
  delete(name: PlaceName): void {
    closeNetns(this.netns(name));
    this.#open.delete(name);
    deleteNetns(this.path(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) await child[Symbol.asyncDispose]();
    for (const name of [...this.#open.keys()]) this.delete(name);
    detachMount(this.bpffs);
    this.#cgroup[Symbol.dispose]();
    rmSync(this.directory, { recursive: true });
  }

  async #start<T extends Record<string, (argument: never) => unknown>>(
    script: string,
    netns?: number,
  ): Promise<Child<T>> {
    const child = await Child.start<T>(join(import.meta.dirname, script), netns);
    this.#children.push(child as unknown as Child<never>);
    return child;
  }

  #make(name: PlaceName): void {
    createNetns(this.path(name));
    const netns = openNetns(this.path(name));
    this.#open.set(name, netns);
    using netlink = openNetlink(netns);
    setLink(netlink, "lo", { up: true });
    // Without duplicate address detection, addresses can be used at once.
    writeSysctl(netns, "net/ipv6/conf/default/accept_dad", "0");
    for (const family of ["ipv4", "ipv6"])
      writeSysctl(netns, `net/${family}/conf/all/forwarding`, name === "outside" ? "1" : "0");
  }

  /** A veth between a pod (.2) and outside (.1), with default routes over it. */
  #connect(name: PlaceName, subnet: number): void {
    using here = openNetlink(this.netns(name));
    using there = openNetlink(this.netns("outside"));
    createVeth(here, { name: "eth0", peer: { name, netns: this.netns("outside") } });
    const ends = [
      { netlink: here, link: "eth0", host: 2 },
      { netlink: there, link: name, host: 1 },
    ];
    for (const { netlink, link, host } of ends) {
      addAddress(netlink, { link, address: `10.77.${subnet}.${host}/24` });
      addAddress(netlink, { link, address: `fd77:${subnet}::${host}/64` });
      setLink(netlink, link, { up: true });
    }
    addRoute(here, { destination: "default", gateway: `10.77.${subnet}.1` });
    addRoute(here, { destination: "default", gateway: `fd77:${subnet}::1` });
  }
}

/** The port of the agent's listeners in a namespace. */
export function agentsPort(netns: number): number {
  using netlink = openNetlink(netns, NETLINK.SOCK_DIAG);
  const own = listListeners(netlink).find(({ address }) => address === "::ffff:192.0.0.8");
  if (own === undefined) throw new Error("the agent does not listen there");
  return own.port;
}

/** A pod of the lab as the snapshot has it; without wishes it is not enrolled. */
export function workload(uid: "web" | "db", wishes?: Partial<Enrolment>): Workload {
  const base = {
    uid,
    name: uid,
    namespace: "default",
    owner: uid,
    serviceAccount: "default",
    node: "one",
    addresses: [PLACES[uid].ipv4, PLACES[uid].ipv6],
    ports: [],
  };
  return wishes ? { ...base, enrolment: { ...DEFAULT_ENROLMENT, ...wishes } } : base;
}
