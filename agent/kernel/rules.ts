/** Policy routing rules over rtnetlink: "packets with this mark use that table". */

import type { IpFamily } from "./ip-bytes.ts";
import type { Netlink, NetlinkRequest } from "./netlink.ts";
import type { Attribute } from "./netlink-codec.ts";
import { decodeAttributes, NLM_F, readU32, u32 } from "./netlink-codec.ts";
import { AF_INET, AF_INET6 } from "./socket-constants.ts";

const RTM = { NEWRULE: 32, DELRULE: 33, GETRULE: 34 } as const;
const FRA = { PRIORITY: 6, FWMARK: 10, TABLE: 15, FWMASK: 16 } as const;
/** Action "look the destination up in a table". */
const FR_ACT_TO_TBL = 1;
/** Size of `struct fib_rule_hdr`. */
const RULE_BYTES = 12;

/** A rule by firewall mark. */
export interface MarkRule {
  readonly family: IpFamily;
  /** Packets whose mark, masked, equals this… */
  readonly mark: number;
  /** …default: all 32 bits. */
  readonly mask?: number;
  /** …are routed by this table. */
  readonly table: number;
  /** Less is asked earlier; 0 to 32765 come before the main table. */
  readonly priority: number;
}

/** Adds a rule for marked packets. Adding it twice is no error and makes no second one. */
export function addRule(netlink: Netlink, rule: MarkRule): void {
  // The kernel tells a doubled rule only since 4.17 and only when every attribute is the same: look first.
  if (listRules(netlink, rule.family).some((found) => sameRule(found, rule))) return;
  netlink.requestUnless(
    "EEXIST",
    ruleRequest(rule, {
      what: `add rule ${describe(rule)}`,
      type: RTM.NEWRULE,
      flags: NLM_F.CREATE | NLM_F.EXCL,
    }),
  );
}

/** Removes a rule. Returns false when there is none like it. */
export function deleteRule(netlink: Netlink, rule: MarkRule): boolean {
  return netlink.requestUnless(
    "ENOENT",
    ruleRequest(rule, { what: `delete rule ${describe(rule)}`, type: RTM.DELRULE, flags: 0 }),
  );
}

/** The rules of one family that select by mark. */
export function listRules(netlink: Netlink, family: IpFamily): readonly MarkRule[] {
  const fixed = new Uint8Array(RULE_BYTES);
  fixed[0] = family;
  return netlink
    .dump({ what: "list rules", type: RTM.GETRULE, fixed, attributes: [] })
    .filter((message) => message.type === RTM.NEWRULE)
    .map((message) => decodeRule(message.payload))
    .filter((rule) => rule !== undefined);
}

function ruleRequest(
  rule: MarkRule,
  message: Pick<NetlinkRequest, "what" | "type" | "flags">,
): NetlinkRequest {
  const fixed = new Uint8Array(RULE_BYTES);
  fixed[0] = rule.family;
  fixed[4] = rule.table < 256 ? rule.table : 0;
  fixed[7] = FR_ACT_TO_TBL;
  const attributes: Attribute[] = [
    u32(FRA.PRIORITY, rule.priority),
    u32(FRA.FWMARK, rule.mark),
    u32(FRA.FWMASK, maskOf(rule)),
    u32(FRA.TABLE, rule.table),
  ];
  return { ...message, fixed, attributes };
}

function decodeRule(payload: Uint8Array): MarkRule | undefined {
  const attributes = decodeAttributes(payload, RULE_BYTES);
  const mark = readU32(attributes.get(FRA.FWMARK));
  if (mark === undefined) return undefined;
  return {
    family: payload[0] === AF_INET6 ? AF_INET6 : AF_INET,
    mark,
    mask: readU32(attributes.get(FRA.FWMASK)) ?? 0xffffffff,
    table: readU32(attributes.get(FRA.TABLE)) ?? payload[4] ?? 0,
    priority: readU32(attributes.get(FRA.PRIORITY)) ?? 0,
  };
}

function sameRule(a: MarkRule, b: MarkRule): boolean {
  return (
    a.mark === b.mark && maskOf(a) === maskOf(b) && a.table === b.table && a.priority === b.priority
  );
}

function maskOf(rule: MarkRule): number {
  return rule.mask ?? 0xffffffff;
}

function describe(rule: MarkRule): string {
  const family = rule.family === AF_INET ? "IPv4" : "IPv6";
  return `${family} mark ${hex(rule.mark)}/${hex(maskOf(rule))} table ${rule.table} priority ${rule.priority}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
