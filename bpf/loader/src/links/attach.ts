/**
 * src/links attaches loaded programs to hooks and owns the links: cgroups, network namespaces, sockmaps. Links
 * can be updated in place, pinned, and opened again from their pins. It may import sys and api; it must never
 * load programs.
 */

import { closeSync, constants, openSync } from "node:fs";
import type { CgroupTarget } from "../api/links.ts";
import type { Link, MapHandle, Program } from "../api/objects.ts";
import { UnsupportedFeature } from "../errors.ts";
import { type Feature, featureSince, hasFeature } from "../kernel/features.ts";
import { kernelHost } from "../sys/host.ts";
import { createLink } from "./kernel-link.ts";

/**
 * Attaches a cgroup program (connect, sendmsg, recvmsg, getpeername, getsockname, sock_create,
 * sock_release, sockops, skb…) to a cgroup and its descendants; others attached there keep running.
 * Needs cgroup v2 and Linux 5.7.
 */
export function attachCgroup(program: Program, target: CgroupTarget): Link {
  requireFeature("cgroup-links");
  const { cgroup } = target;
  if (typeof cgroup === "number") {
    return createLink(kernelHost(), program, {
      target: cgroup,
      attachType: program.attachType,
      what: "a cgroup",
    });
  }
  const fd = openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return createLink(kernelHost(), program, {
      target: fd,
      attachType: program.attachType,
      what: `cgroup ${cgroup}`,
    });
  } finally {
    closeSync(fd);
  }
}

/** Attaches an `sk_lookup` (or flow dissector) program to a network namespace, given by a descriptor of it. Needs Linux 5.9. */
export function attachNetns(program: Program, netnsFd: number): Link {
  requireFeature("netns-links");
  const { attachType } = program;
  return createLink(kernelHost(), program, {
    target: netnsFd,
    attachType,
    what: "a network namespace",
  });
}

/** Attaches an `sk_msg` program to a sockmap or sockhash. Needs Linux 6.10. */
export function attachSkMsg(program: Program, map: MapHandle): Link {
  return attachToSockets(program, map);
}

/** Attaches an `sk_skb` program (parser or verdict, as its section says) to a sockmap or sockhash. Needs Linux 6.10. */
export function attachSkSkb(program: Program, map: MapHandle): Link {
  return attachToSockets(program, map);
}

/**
 * Attaches a tcx program (`SEC("tcx/ingress")`, `SEC("tcx/egress")`) to a network interface of this thread's
 * namespace, behind those that are there. Needs Linux 6.6.
 */
export function attachTcx(program: Program, interfaceIndex: number): Link {
  requireFeature("tcx-links");
  return createLink(kernelHost(), program, {
    target: interfaceIndex,
    attachType: program.attachType,
    what: `interface ${interfaceIndex}`,
  });
}

function attachToSockets(program: Program, map: MapHandle): Link {
  requireFeature("sockmap-links");
  return createLink(kernelHost(), program, {
    target: map.fd,
    attachType: program.attachType,
    what: `map "${map.name}"`,
  });
}

function requireFeature(feature: Feature): void {
  if (!hasFeature(feature))
    throw new UnsupportedFeature(feature.replaceAll("-", " "), featureSince(feature));
}
