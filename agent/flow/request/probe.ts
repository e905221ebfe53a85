/** Kubelet's probes: requests of the node for the node, which say nothing about a pod's clients. */

import type { Range } from "../../http/h1/ranges.ts";
import type { RequestHead } from "../../http/message.ts";

const USER_AGENT: Uint8Array = Buffer.from("user-agent");
/** What kubelet calls itself unless the probe's `httpHeaders` say otherwise (kubernetes/pkg/probe/http). */
const KUBE_PROBE: Uint8Array = Buffer.from("kube-probe/");
const RANGE: Range = { start: 0, end: 0 };

/** Whether the request calls itself kubelet's. Anybody can: ask also where it comes from. */
export function isProbe(head: RequestHead): boolean {
  if (head.find(USER_AGENT, RANGE) < 0) return false;
  const { start, end } = RANGE;
  if (end - start < KUBE_PROBE.length) return false;
  return KUBE_PROBE.every((byte, i) => head.bytes[start + i] === byte);
}
