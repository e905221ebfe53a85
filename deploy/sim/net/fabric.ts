/** The nodes' networks: one namespace each, joined by a bridge in a namespace that is nobody's. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { addAddress } from "../../../agent/kernel/addresses.ts";
import { createBridge, createVeth, setLink } from "../../../agent/kernel/links.ts";
import { type Netlink, openNetlink } from "../../../agent/kernel/netlink.ts";
import { closeNetns, createNetns, openNetns, writeSysctl } from "../../../agent/kernel/netns.ts";
import { addRoute } from "../../../agent/kernel/routes.ts";
import { nodePaths, type SimPaths } from "../paths.ts";
import {
  DNS_SERVICE_INDEX,
  type DualAddress,
  hardwareAddress,
  type NodePlan,
  serviceAddress,
} from "./plan.ts";

const FABRIC_BRIDGE = "fabric";
const UPLINK = "uplink";
/** The bridge that a node's pods hang on. */
export const POD_BRIDGE = "pods";

/** Makes the namespaces of all nodes and the links between them. */
export function createFabric(sim: SimPaths, nodes: readonly NodePlan[]): void {
  const path = join(sim.root, "fabric");
  createNetns(path);
  const fabricNetns = openNetns(path);
  try {
    using fabric = openNetlink(fabricNetns);
    createBridge(fabric, FABRIC_BRIDGE);
    setLink(fabric, FABRIC_BRIDGE, { up: true });
    for (const node of nodes) createNode(sim, node, { fabric, nodes });
  } finally {
    closeNetns(fabricNetns);
  }
}

function createNode(
  sim: SimPaths,
  node: NodePlan,
  around: { readonly fabric: Netlink; readonly nodes: readonly NodePlan[] },
): void {
  const paths = nodePaths(sim, node.name);
  mkdirSync(paths.pods, { recursive: true });
  mkdirSync(paths.state, { recursive: true });
  createNetns(paths.netns);
  const netns = openNetns(paths.netns);
  try {
    using link = openNetlink(netns);
    const port = `node${node.number}`;
    createVeth(around.fabric, { name: port, peer: { name: UPLINK, netns } });
    setLink(around.fabric, port, { master: FABRIC_BRIDGE, up: true });
    enableForwarding(netns);
    setUpNode(link, node);
    for (const other of around.nodes) if (other !== node) routeTo(link, other);
  } finally {
    closeNetns(netns);
  }
}

function enableForwarding(netns: number): void {
  writeSysctl(netns, "net/ipv4/ip_forward", "1");
  writeSysctl(netns, "net/ipv6/conf/all/forwarding", "1");
  writeSysctl(netns, "net/ipv6/conf/default/accept_dad", "0");
}

function setUpNode(link: Netlink, node: NodePlan): void {
  setLink(link, "lo", { up: true });
  createBridge(link, POD_BRIDGE);
  // Left alone a bridge takes the lowest address of its ports. One more pod could then change it, and the
  // others would send to the old one, unanswered, until their neighbour entries expire: most of a minute.
  setLink(link, POD_BRIDGE, { hardwareAddress: hardwareAddress(node.gateway) });
  addBoth(link, POD_BRIDGE, { address: node.gateway, prefixes: [24, 64] });
  setLink(link, POD_BRIDGE, { up: true });
  addBoth(link, UPLINK, { address: node.address, prefixes: [24, 64] });
  setLink(link, UPLINK, { up: true });
  // Cluster DNS answers on its ClusterIP in every node, as node-local DNS does.
  addBoth(link, "lo", {
    address: serviceAddress(DNS_SERVICE_INDEX),
    prefixes: [32, 128],
  });
}

/** Gives an interface the addresses of both families. */
export function addBoth(netlink: Netlink, link: string, given: GivenAddress): void {
  addAddress(netlink, { link, address: `${given.address.ipv4}/${given.prefixes[0]}` });
  addAddress(netlink, { link, address: `${given.address.ipv6}/${given.prefixes[1]}` });
}

/** Addresses with the lengths of their IPv4 and IPv6 networks. */
export interface GivenAddress {
  readonly address: DualAddress;
  readonly prefixes: readonly [number, number];
}

function routeTo(link: Netlink, other: NodePlan): void {
  addRoute(link, { destination: other.podCidr.ipv4, gateway: other.address.ipv4 });
  addRoute(link, { destination: other.podCidr.ipv6, gateway: other.address.ipv6 });
}
