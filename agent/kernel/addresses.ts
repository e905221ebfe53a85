/** IP addresses of interfaces over rtnetlink. */

import { formatAddress } from "#model/address.ts";
import type { IpFamily } from "./ip-bytes.ts";
import { parsePrefixed } from "./ip-bytes.ts";
import { linkIndex } from "./links.ts";
import type { Netlink, NetlinkRequest } from "./netlink.ts";
import { decodeAttributes, NLM_F, raw, u32, viewOf } from "./netlink-codec.ts";

const RTM = { NEWADDR: 20, DELADDR: 21, GETADDR: 22 } as const;
const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;
/** IPv6: no duplicate address detection, so that the address can be used at once. */
const IFA_F_NODAD = 0x02;
/** Size of `struct ifaddrmsg`. */
const IFADDR_BYTES = 8;

/** An address on an interface. */
export interface InterfaceAddress {
  /** Name of the interface. */
  readonly link: string;
  /** For example `10.1.0.2/24` or `fd00::2/64`. */
  readonly address: string;
}

/** An address as the kernel reports it. */
export interface AssignedAddress {
  readonly index: number;
  readonly family: IpFamily;
  /** Canonical text with its prefix length. */
  readonly address: string;
}

/** Gives an interface an address; usable at once, also for IPv6. Giving it twice is no error. */
export function addAddress(netlink: Netlink, wanted: InterfaceAddress): void {
  netlink.requestUnless(
    "EEXIST",
    addressRequest(netlink, wanted, {
      what: `add address ${wanted.address} to ${wanted.link}`,
      type: RTM.NEWADDR,
      flags: NLM_F.CREATE | NLM_F.EXCL,
    }),
  );
}

/** Takes an address away. Returns false when the interface did not have it. */
export function deleteAddress(netlink: Netlink, unwanted: InterfaceAddress): boolean {
  return netlink.requestUnless(
    "EADDRNOTAVAIL",
    addressRequest(netlink, unwanted, {
      what: `delete address ${unwanted.address} of ${unwanted.link}`,
      type: RTM.DELADDR,
      flags: 0,
    }),
  );
}

/** Every address of the namespace. */
export function listAddresses(netlink: Netlink): readonly AssignedAddress[] {
  return netlink
    .dump({
      what: "list addresses",
      type: RTM.GETADDR,
      fixed: new Uint8Array(IFADDR_BYTES),
      attributes: [],
    })
    .filter((message) => message.type === RTM.NEWADDR)
    .map((message) => decodeAddress(message.payload));
}

function addressRequest(
  netlink: Netlink,
  subject: InterfaceAddress,
  message: Pick<NetlinkRequest, "what" | "type" | "flags">,
): NetlinkRequest {
  const { family, bytes, prefix } = parsePrefixed(subject.address);
  const fixed = new Uint8Array(IFADDR_BYTES);
  fixed[0] = family;
  fixed[1] = prefix;
  new DataView(fixed.buffer).setUint32(4, linkIndex(netlink, subject.link), true);
  return {
    ...message,
    fixed,
    attributes: [raw(IFA.LOCAL, bytes), raw(IFA.ADDRESS, bytes), u32(IFA.FLAGS, IFA_F_NODAD)],
  };
}

function decodeAddress(payload: Uint8Array): AssignedAddress {
  const attributes = decodeAttributes(payload, IFADDR_BYTES);
  const bytes = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS) ?? new Uint8Array(4);
  return {
    index: viewOf(payload).getUint32(4, true),
    family: payload[0] as IpFamily,
    address: `${formatAddress(bytes)}/${payload[1]}`,
  };
}
