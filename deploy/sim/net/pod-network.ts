/** One pod's network: a namespace with `eth0`, tied to its node's bridge. */

import { join } from "node:path";
import { createVeth, deleteLink, setLink } from "../../../agent/kernel/links.ts";
import { openNetlink } from "../../../agent/kernel/netlink.ts";
import {
  closeNetns,
  createNetns,
  deleteNetns,
  openNetns,
  writeSysctl,
} from "../../../agent/kernel/netns.ts";
import { addRoute } from "../../../agent/kernel/routes.ts";
import type { NodePaths } from "../paths.ts";
import { addBoth, POD_BRIDGE } from "./fabric.ts";
import { hardwareAddress, type NodePlan, podAddress } from "./plan.ts";

/** Which pod on which node. */
export interface PodPlace {
  readonly node: NodePlan;
  readonly paths: NodePaths;
  readonly uid: string;
  /** The pod's number on its node, see podAddress. */
  readonly index: number;
}

/** Makes the pod's namespace with addresses of both families, ready to use. Returns its file. */
export function createPodNetwork(place: PodPlace): string {
  const path = podNetnsPath(place);
  createNetns(path);
  const nodeNetns = openNetns(place.paths.netns);
  const podNetns = openNetns(path);
  try {
    // Addresses are unique by construction; waiting for detection would delay every pod by a second.
    writeSysctl(podNetns, "net/ipv6/conf/default/accept_dad", "0");
    using node = openNetlink(nodeNetns);
    using pod = openNetlink(podNetns);
    const port = portName(place);
    deleteLink(node, port);
    createVeth(node, { name: port, peer: { name: "eth0", netns: podNetns } });
    setLink(node, port, { master: POD_BRIDGE, up: true });
    setLink(pod, "lo", { up: true });
    const address = podAddress(place.node.number, place.index);
    // Whoever gets this IP address later has the same Ethernet address: no neighbour entry is ever wrong.
    setLink(pod, "eth0", { hardwareAddress: hardwareAddress(address) });
    addBoth(pod, "eth0", { address, prefixes: [24, 64] });
    setLink(pod, "eth0", { up: true });
    addRoute(pod, { destination: "default", gateway: place.node.gateway.ipv4 });
    addRoute(pod, { destination: "default", gateway: place.node.gateway.ipv6 });
  } finally {
    closeNetns(podNetns);
    closeNetns(nodeNetns);
  }
  return path;
}

/** Takes the pod off the network and removes its namespace's file. */
export function deletePodNetwork(place: PodPlace): void {
  const nodeNetns = openNetns(place.paths.netns);
  try {
    using node = openNetlink(nodeNetns);
    deleteLink(node, portName(place));
  } finally {
    closeNetns(nodeNetns);
  }
  deleteNetns(podNetnsPath(place));
}

/** The file that keeps the pod's namespace. */
export function podNetnsPath(place: Pick<PodPlace, "paths" | "uid">): string {
  return join(place.paths.pods, place.uid);
}

function portName(place: PodPlace): string {
  return `pod${place.index}`;
}
