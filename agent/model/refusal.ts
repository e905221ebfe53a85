/**
 * Why the mesh refuses, cuts or cannot serve something: the one closed list that logs, metrics,
 * `x-nodemesh-reason` and `nodemesh explain` share. Adding a reason means adding its help here.
 */
const HELP = {
  "unknown-source": "the connection's source is not a pod this node enrolled",
  denied: "an authorization policy denies this connection",
  "policy-unknown":
    "something restricts the pod that this node's agent is too old to know: update the agent",
  "no-policy-data": "no snapshot is known yet, so nothing can be allowed",
  "no-endpoints": "the service has no ready endpoint",
  "connect-refused":
    "the chosen endpoint refused the connection, or a rule of the pod's own iptables (--uid-owner?) did",
  "connect-timeout":
    "the chosen endpoint did not answer in time (is a NetworkPolicy, or a rule of the pod's own iptables, in the way?)",
  "connect-failed": "the chosen endpoint could not be reached",
  "upstream-reset": "the endpoint closed or reset before it answered",
  "peer-vanished":
    "the other end did not answer any more in the time that it is given: its machine, or the network to it, is gone",
  "upstream-malformed": "the endpoint's answer is not valid HTTP/1.1",
  "request-timeout": "the endpoint did not answer within the request time-out",
  "head-timeout": "the client did not finish its request head in time",
  "head-too-large": "the request head is larger than the configured limit",
  "too-many-headers": "the request has more header fields than the configured limit",
  "request-malformed": "the request is not valid HTTP/1.1",
  "framing-ambiguous": "the message's length could be understood in two ways (request smuggling)",
  "version-unsupported": "the HTTP version is not supported",
  "connection-limit":
    "the pod, or the agent for all pods, has as many connections as its limit allows",
  "memory-limit": "the pod or the worker has as many buffered bytes as its limit allows",
  "descriptor-limit": "the process has no free file descriptor",
  "drain-deadline": "the connection was cut because the drain deadline passed",
  "idle-timeout": "nothing was sent in either direction for longer than the idle time-out",
  internal: "a bug or an unexpected system error in the mesh itself; the log has the details",
} as const;

/** A reason code: lower-case words joined by dashes, stable across releases. */
export type Reason = keyof typeof HELP;

/** A refusal is a value, not an exception: expected, counted, explained. */
export interface Refusal {
  readonly kind: "refusal";
  readonly reason: Reason;
  /** What exactly was seen, for the log and `explain`; never secret, never raw network bytes. */
  readonly detail: string;
  /** Which of the reason's rules it was, where a reason has several: words of a closed list (docs/http.md). */
  readonly rule?: string | undefined;
}

/** Every reason, in the order of the documentation. */
export const REASONS: readonly Reason[] = Object.keys(HELP) as Reason[];

/** Makes a refusal. */
export function refuse(reason: Reason, detail: string, rule?: string): Refusal {
  return rule === undefined
    ? { kind: "refusal", reason, detail }
    : { kind: "refusal", reason, detail, rule };
}

/** One sentence for people: what the reason means. */
export function reasonHelp(reason: Reason): string {
  return HELP[reason];
}
