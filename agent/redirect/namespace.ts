/**
 * A pod's network namespace: the one rule and one route per family that turn marked connects around on `lo`,
 * and the settings that let answers follow the mark. Everything is idempotent: adding twice makes one,
 * removing what is not there is no error.
 */

import { existsSync } from "node:fs";
import { isIpv6 } from "#model/address.ts";
import { ROUTE_TABLE, RULE_MARK, RULE_MASK, RULE_PRIORITY } from "../kernel/layout.gen.ts";
import type { Netlink } from "../kernel/netlink.ts";
import { openNetlink } from "../kernel/netlink.ts";
import { readSysctl, writeSysctl } from "../kernel/netns.ts";
import type { Route } from "../kernel/routes.ts";
import { addRoute, deleteRoute } from "../kernel/routes.ts";
import type { MarkRule } from "../kernel/rules.ts";
import { addRule, deleteRule, listRules } from "../kernel/rules.ts";
import { AF_INET, AF_INET6 } from "../kernel/socket-constants.ts";

/**
 * With these, the application's side of a connection that the agent opened takes over the agent's mark,
 * so that its answers (and resets) come back to `lo` although they are addressed to the real client.
 * tcp_fwmark_accept rules IPv6 too.
 */
const SETTINGS: readonly string[] = [
  "net/ipv4/tcp_fwmark_accept",
  "net/ipv4/fwmark_reflect",
  "net/ipv6/fwmark_reflect",
];

/** As settingsOf(): each of them 1. */
const SETTINGS_ON = 0x010101;

/** A namespace to be set up, or set back. */
export interface Turned {
  /** Its descriptor. */
  readonly netns: number;
  /** The pod's addresses in it. */
  readonly addresses: readonly string[];
  /** A procfs whose `sys` is writable. */
  readonly proc: string;
}

/**
 * What the namespace has of the settings that turnConnects() changes, a byte each. Where an earlier agent has been,
 * that is not known any more: what a namespace begins with.
 */
export function settingsOf(netns: number): number {
  using netlink = openNetlink(netns);
  const isTurned = listRules(netlink, AF_INET).some(
    ({ mark, table }) => mark === RULE_MARK && table === ROUTE_TABLE,
  );
  if (isTurned) return 0;
  const bytes = SETTINGS.map((name) => Math.min(Number(readSysctl(netns, name) ?? 0), 255));
  return bytes.reduce((all, byte, i) => all | (byte << (8 * i)), 0);
}

/** Sets the namespace up. Throws NetlinkError, SystemError. */
export function turnConnects({ netns, addresses, proc }: Turned): void {
  setAll({ netns, addresses, proc }, SETTINGS_ON);
  using netlink = openNetlink(netns);
  // The route first: a rule that leads to an empty table would let marked packets leave.
  for (const address of addresses) addRoute(netlink, routeFor(address));
  for (const address of addresses) addRule(netlink, ruleFor(address));
}

/**
 * Undoes turnConnects(), also for addresses that are not there any more; `settings` are settingsOf() before it.
 * Connections that still rely on it would hang: end them first.
 */
export function undoTurn({ netns, addresses: all, proc }: Turned, settings: number): void {
  // A kernel without IPv6 has no rules of it.
  const addresses = existsSync(`${proc}/sys/net/ipv6`) ? all : all.filter((one) => !isIpv6(one));
  using netlink = openNetlink(netns);
  for (const address of addresses) removeBoth(netlink, address);
  setAll({ netns, addresses, proc }, settings);
}

/** A kernel without IPv6 has no settings of it, and its pods no such addresses. */
function setAll({ netns, addresses, proc }: Turned, settings: number): void {
  for (const [i, name] of SETTINGS.entries()) {
    if (name.startsWith("net/ipv6") && !addresses.some(isIpv6)) continue;
    writeSysctl(netns, name, String((settings >> (8 * i)) & 255), proc);
  }
}

function removeBoth(netlink: Netlink, address: string): void {
  deleteRule(netlink, ruleFor(address));
  deleteRoute(netlink, routeFor(address));
}

function ruleFor(address: string): MarkRule {
  return {
    family: isIpv6(address) ? AF_INET6 : AF_INET,
    mark: RULE_MARK,
    mask: RULE_MASK,
    table: ROUTE_TABLE,
    priority: RULE_PRIORITY,
  };
}

/** Everything is "here"; without the source address the kernel would take the destination as source. */
function routeFor(address: string): Route {
  return {
    destination: "default",
    type: "local",
    device: "lo",
    source: address,
    table: ROUTE_TABLE,
  };
}
