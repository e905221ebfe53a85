/** Network interfaces over rtnetlink: veth pairs, bridges, dummies; up, down, away. */

import type { Netlink } from "./netlink.ts";
import type { Attribute } from "./netlink-codec.ts";
import {
  concat,
  decodeAttributes,
  encodeAttributes,
  NLM_F,
  nested,
  raw,
  readText,
  readU32,
  text,
  u32,
  viewOf,
} from "./netlink-codec.ts";

const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18 } as const;
const IFLA = { ADDRESS: 1, IFNAME: 3, MTU: 4, MASTER: 10, LINKINFO: 18, NET_NS_FD: 28 } as const;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFF_UP = 1;
/** Size of `struct ifinfomsg`. */
const IFINFO_BYTES = 16;

/** One interface as the kernel reports it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  /** Index of the bridge it belongs to. */
  readonly master?: number;
  /** `veth`, `bridge`, `dummy`…; empty for hardware and loopback. */
  readonly kind: string;
}

/** What createVeth makes: one end here, the other in the namespace of `peer.netns`. */
export interface VethSpec {
  readonly name: string;
  readonly peer: {
    readonly name: string;
    /** Descriptor of the namespace the peer is born in; absent = the socket's own namespace. */
    readonly netns?: number;
  };
  /** Bytes; both ends get it. The kernel's default is 1500. */
  readonly mtu?: number;
}

/** Changes of setLink; what is absent stays as it is. */
export interface LinkChange {
  readonly up?: boolean;
  /** Name of the bridge to join. */
  readonly master?: string;
  readonly mtu?: number;
  /** Six bytes. */
  readonly hardwareAddress?: Uint8Array;
}

/** Makes a veth pair. Throws NetlinkError, EEXIST when one of the names is taken. */
export function createVeth(netlink: Netlink, spec: VethSpec): void {
  const mtu = spec.mtu === undefined ? [] : [u32(IFLA.MTU, spec.mtu)];
  const peerNetns = spec.peer.netns === undefined ? [] : [u32(IFLA.NET_NS_FD, spec.peer.netns)];
  // The peer is described by a structure and attributes, as if it were a message of its own.
  const peer = concat(
    ifinfo({}),
    encodeAttributes([text(IFLA.IFNAME, spec.peer.name), ...peerNetns, ...mtu]),
  );
  createLink(netlink, {
    name: spec.name,
    kind: "veth",
    attributes: mtu,
    data: [raw(VETH_INFO_PEER, peer)],
  });
}

/** Makes a bridge. Throws NetlinkError, EEXIST when the name is taken. */
export function createBridge(netlink: Netlink, name: string): void {
  createLink(netlink, { name, kind: "bridge", attributes: [], data: [] });
}

/** Removes an interface (and the other end of a veth). Returns false when there is none of that name. */
export function deleteLink(netlink: Netlink, name: string): boolean {
  return netlink.requestUnless("ENODEV", {
    what: `delete link ${name}`,
    type: RTM.DELLINK,
    flags: 0,
    fixed: ifinfo({}),
    attributes: [text(IFLA.IFNAME, name)],
  });
}

/** Changes an interface. Setting what is already so is no error. Throws NetlinkError, ENODEV when there is none. */
export function setLink(netlink: Netlink, name: string, change: LinkChange): void {
  const attributes: Attribute[] = [text(IFLA.IFNAME, name)];
  if (change.master !== undefined)
    attributes.push(u32(IFLA.MASTER, linkIndex(netlink, change.master)));
  if (change.mtu !== undefined) attributes.push(u32(IFLA.MTU, change.mtu));
  if (change.hardwareAddress !== undefined)
    attributes.push(raw(IFLA.ADDRESS, change.hardwareAddress));
  netlink.request({
    what: `set link ${name} ${JSON.stringify(change)}`,
    type: RTM.NEWLINK,
    flags: 0,
    fixed: change.up === undefined ? ifinfo({}) : ifinfo({ up: change.up }),
    attributes,
  });
}

/** Every interface of the namespace. */
export function listLinks(netlink: Netlink): readonly Link[] {
  return netlink
    .dump({ what: "list links", type: RTM.GETLINK, fixed: ifinfo({}), attributes: [] })
    .filter((message) => message.type === RTM.NEWLINK)
    .map((message) => decodeLink(message.payload));
}

/** The interface of that name, or undefined. */
export function findLink(netlink: Netlink, name: string): Link | undefined {
  return listLinks(netlink).find((link) => link.name === name);
}

/** The index of the interface of that name. Throws an Error that names it when there is none. */
export function linkIndex(netlink: Netlink, name: string): number {
  const link = findLink(netlink, name);
  if (link === undefined)
    throw new Error(`there is no network interface "${name}" in this namespace`);
  return link.index;
}

interface NewLink {
  readonly name: string;
  readonly kind: string;
  readonly attributes: readonly Attribute[];
  readonly data: readonly Attribute[];
}

function createLink(netlink: Netlink, link: NewLink): void {
  const kind = text(IFLA_INFO_KIND, link.kind);
  const info = link.data.length === 0 ? [kind] : [kind, nested(IFLA_INFO_DATA, link.data)];
  netlink.request({
    what: `create ${link.kind} ${link.name}`,
    type: RTM.NEWLINK,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    fixed: ifinfo({}),
    attributes: [text(IFLA.IFNAME, link.name), ...link.attributes, nested(IFLA.LINKINFO, info)],
  });
}

/** `struct ifinfomsg`: family, type, index, flags, change mask. */
function ifinfo(state: { readonly up?: boolean }): Uint8Array {
  const bytes = new Uint8Array(IFINFO_BYTES);
  const view = new DataView(bytes.buffer);
  if (state.up !== undefined) {
    view.setUint32(8, state.up ? IFF_UP : 0, true);
    view.setUint32(12, IFF_UP, true);
  }
  return bytes;
}

function decodeLink(payload: Uint8Array): Link {
  const view = viewOf(payload);
  const attributes = decodeAttributes(payload, IFINFO_BYTES);
  const info = attributes.get(IFLA.LINKINFO);
  const kind = info === undefined ? "" : readText(decodeAttributes(info, 0).get(IFLA_INFO_KIND));
  const master = readU32(attributes.get(IFLA.MASTER));
  return {
    index: view.getInt32(4, true),
    name: readText(attributes.get(IFLA.IFNAME)),
    up: (view.getUint32(8, true) & IFF_UP) !== 0,
    mtu: readU32(attributes.get(IFLA.MTU)) ?? 0,
    kind,
    ...(master === undefined ? {} : { master }),
  };
}
