/** Whether nodemesh can be installed: facts to findings. Pure. */

import { AGENT } from "../../../deploy/manifests/meta.ts";
import { type ApiAnswer, textField } from "../cluster.ts";
import { type Finding, fail, pass, warn } from "./finding.ts";
import type {
  DaemonSetFacts,
  GrantFacts,
  NodeFacts,
  PermissionFacts,
  PreFacts,
} from "./pre-facts.ts";
import { thingOf } from "./rights.ts";

/** Oldest Kubernetes: appArmorProfile, which the agents' pods need, and the node's name in a token's review came with 1.30. */
const MINIMUM_MINOR = 30;
/** Oldest kernel: sk_lookup (5.9) and what the agent's programs call. */
const MINIMUM_KERNEL = { major: 5, minor: 10 };
/** Beyond this, certificates and tokens may be refused. */
const MAX_SKEW_MS = 5000;
/** Rights of a role that are shown; the first ones tell who the user is not. */
const MAX_RIGHTS = 3;
/** kubelet renews its Lease every 10 s; older than this says nothing of its clock. */
const LEASE_MS = 40_000;

/** Every line of `check --pre`. */
export function preFindings(facts: PreFacts): readonly Finding[] {
  const version = versionFinding(facts.server, facts.version);
  if (facts.version.kind !== "ok") return [version];
  return [
    version,
    ownClockFinding(facts),
    ...permissionFindings(facts),
    ...leaseFindings(facts),
    ...nodesFindings(facts),
    pass(
      "inside the nodes",
      "not looked at, nothing of nodemesh runs there yet: cgroup v2, BPF programs and maps, BPF file system; `nodemesh check` asks the agents",
    ),
    ...daemonSetFindings(facts.daemonSets),
    ...secondFindings(facts.daemonSets, facts.namespace),
    ...leftoverFindings(facts),
    podSecurityFinding(facts),
  ];
}

function versionFinding(server: string, version: ApiAnswer): Finding {
  const subject = `API server ${server}`;
  if (version.kind === "away")
    return fail(
      subject,
      `no answer: ${version.problem}`,
      "check the address and the network: kubectl cluster-info",
    );
  if (version.kind === "refused")
    return fail(
      subject,
      `GET /version: ${version.status} ${version.problem}`,
      "renew the kubeconfig's credentials, or choose another --context",
    );
  const text = textField(version.body, "gitVersion");
  const match = /^v?(\d+)\.(\d+)/.exec(text);
  const [major, minor] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (major > 1 || (major === 1 && minor >= MINIMUM_MINOR))
    return pass(subject, `Kubernetes ${text}`);
  return fail(
    subject,
    `Kubernetes ${text || "of an unknown version"} is older than 1.${MINIMUM_MINOR}`,
    `upgrade the control plane to 1.${MINIMUM_MINOR} or newer`,
  );
}

function ownClockFinding({ serverTime, ownTime }: PreFacts): Finding {
  const subject = "clock of this machine";
  if (serverTime === undefined)
    return warn(
      subject,
      "the API server's answer has no date",
      "compare the clocks by hand: date -u",
    );
  // The header has whole seconds: half a second is its middle.
  const skew = ownTime.getTime() - (serverTime.getTime() + 500);
  if (Math.abs(skew) <= MAX_SKEW_MS)
    return pass(subject, `within ${MAX_SKEW_MS / 1000} s of the API server's`);
  return warn(
    subject,
    `${seconds(skew)} ${skew > 0 ? "ahead of" : "behind"} the API server's`,
    "start time synchronisation (chrony, systemd-timesyncd) on the one that is wrong",
  );
}

function permissionFindings({ permissions, grants }: PreFacts): readonly Finding[] {
  const missing = permissions.filter(({ allowed }) => allowed !== true);
  const byThing = Object.groupBy(missing, ({ right }) => thingOf({ ...right, name: undefined }));
  const wrong = [
    ...Object.entries(byThing).map(([thing, facts = []]) => missingFinding(thing, facts)),
    ...grants.filter(({ lacking }) => lacking.length > 0).map(grantFinding),
  ];
  if (wrong.length > 0) return wrong;
  return [
    pass(
      "permissions",
      "you may get, create and patch what install makes, and give control its rights",
    ),
  ];
}

function missingFinding(thing: string, missing: readonly PermissionFacts[]): Finding {
  const verbs = [...new Set(missing.map(({ right }) => right.verb))].join(", ");
  const subject = `permission to ${verbs} ${thing}`;
  const problem = missing.map(({ allowed }) => allowed).find((one) => typeof one === "string");
  if (problem !== undefined)
    return fail(
      subject,
      `could not be asked: ${problem}`,
      "run again; see kubectl auth can-i --list",
    );
  return fail(
    subject,
    "you may not",
    "install as a user with the role cluster-admin, or ask for this permission",
  );
}

function grantFinding({ grant, lacking }: GrantFacts): Finding {
  const { object, enough } = grant;
  const rights = lacking.map(({ right }) => `${right.verb} ${thingOf(right)}`);
  const more = rights.length > MAX_RIGHTS ? ` and ${rights.length - MAX_RIGHTS} more` : "";
  return fail(
    `permission to make ${object}`,
    `it gives rights that you don't have: ${rights.slice(0, MAX_RIGHTS).join(", ")}${more}`,
    `install as a user with the role cluster-admin, or ask for the permission to ${enough.verb} ${thingOf(enough)}`,
  );
}

/** A node's clock is known by its Lease only. */
function leaseFindings({ leaseProblem }: PreFacts): readonly Finding[] {
  if (leaseProblem === undefined) return [];
  return [
    warn(
      "clocks of the nodes",
      `were not looked at: ${leaseProblem}`,
      "ask for the permission to list leases in namespace kube-node-lease, or compare date -u on each node",
    ),
  ];
}

function nodesFindings({ nodes, serverTime }: PreFacts): readonly Finding[] {
  if (typeof nodes === "string")
    return [
      fail(
        "nodes",
        `could not be listed: ${nodes}`,
        "ask for the permission to list nodes and leases",
      ),
    ];
  if (nodes.length === 0)
    return [fail("nodes", "the cluster has none", "join a node; see kubectl get nodes")];
  return nodes.flatMap((node) => nodeFindings(node, serverTime));
}

function nodeFindings(node: NodeFacts, serverTime: Date | undefined): readonly Finding[] {
  const subject = `node/${node.name}`;
  const { name, os, architecture, kernel, runtime, podCIDRs } = node;
  if (os !== "linux")
    return [
      warn(
        subject,
        `runs ${os || "an unknown system"}: no agent there`,
        "its pods stay outside the mesh",
      ),
    ];
  const wrong: Finding[] = [];
  if (!node.ready)
    wrong.push(
      warn(
        subject,
        "is not ready",
        `see kubectl describe node ${name}; its agent starts when it is`,
      ),
    );
  if (architecture !== "amd64" && architecture !== "arm64")
    wrong.push(
      fail(
        subject,
        `architecture ${architecture} has no image`,
        "use amd64 or arm64, or keep the agent off this node",
      ),
    );
  if (!kernelSuffices(kernel))
    wrong.push(
      fail(
        subject,
        `kernel ${kernel || "unknown"} is older than ${MINIMUM_KERNEL.major}.${MINIMUM_KERNEL.minor}`,
        "upgrade the node's kernel, or keep the agent off this node",
      ),
    );
  const clock = nodeClockFinding(node, serverTime);
  if (clock !== undefined) wrong.push(clock);
  if (wrong.length > 0) return wrong;
  const cidrs =
    podCIDRs.length === 0 ? "pod addresses by the CNI itself" : `pods ${podCIDRs.join(" ")}`;
  return [pass(subject, `kernel ${kernel}, ${architecture}, ${runtime}, ${cidrs}`)];
}

/** kubelet writes its clock into its Lease: one ahead of the API server's can only be a wrong clock. */
function nodeClockFinding(
  { name, renewed, ready }: NodeFacts,
  serverTime: Date | undefined,
): Finding | undefined {
  if (renewed === undefined || serverTime === undefined) return undefined;
  const ahead = renewed.getTime() - (serverTime.getTime() + 1000);
  const subject = `clock of node/${name}`;
  const step = "start time synchronisation (chrony, systemd-timesyncd) on the node";
  if (ahead > MAX_SKEW_MS)
    return fail(subject, `at least ${seconds(ahead)} ahead of the API server's`, step);
  if (ready && -ahead > LEASE_MS + MAX_SKEW_MS)
    return fail(
      subject,
      `its Lease is ${seconds(ahead)} old though the node is ready: its clock is behind`,
      step,
    );
  return undefined;
}

function kernelSuffices(version: string): boolean {
  const match = /^(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return (
    major > MINIMUM_KERNEL.major ||
    (major === MINIMUM_KERNEL.major && minor >= MINIMUM_KERNEL.minor)
  );
}

/** What else may redirect pods' traffic, by the image of its DaemonSet. */
const NEIGHBOURS: readonly {
  readonly image: RegExp;
  readonly what: string;
  readonly finding: "fact" | "warn";
}[] = [
  { image: /istio\/(?:install-cni|ztunnel)|istio-cni/, what: "Istio", finding: "warn" },
  { image: /linkerd\/(?:cni-plugin|proxy)|linkerd2?-cni/, what: "Linkerd", finding: "warn" },
  { image: /kuma-cni/, what: "Kuma", finding: "warn" },
  { image: /cilium\/cilium|\/cilium:/, what: "Cilium", finding: "fact" },
  { image: /calico\/node/, what: "Calico", finding: "fact" },
  { image: /flannel/, what: "flannel", finding: "fact" },
  { image: /kindnet/, what: "kindnet", finding: "fact" },
  { image: /aws.*cni|amazon-k8s-cni/, what: "AWS VPC CNI", finding: "fact" },
  { image: /kube-router/, what: "kube-router", finding: "fact" },
  { image: /kube-proxy/, what: "kube-proxy", finding: "fact" },
];

function daemonSetFindings(sets: readonly DaemonSetFacts[] | string): readonly Finding[] {
  if (typeof sets === "string")
    return [
      warn(
        "network",
        `DaemonSets could not be listed: ${sets}`,
        "check by hand that no other mesh redirects traffic",
      ),
    ];
  const known = sets.flatMap(({ namespace, name, images }) =>
    NEIGHBOURS.filter(({ image }) => images.some((one) => image.test(one))).map((neighbour) => ({
      ...neighbour,
      object: `daemonset/${name} in namespace ${namespace}`,
    })),
  );
  const others = known.filter(({ finding }) => finding === "warn");
  const facts = known.filter(({ finding }) => finding === "fact").map(({ what }) => what);
  return [
    pass(
      "network",
      facts.length === 0
        ? "no CNI is known by a DaemonSet"
        : `seen: ${[...new Set(facts)].join(", ")}`,
    ),
    ...others.map(({ what, object }) =>
      warn(object, `${what} may redirect pods' traffic too`, "enrol no pod in both meshes"),
    ),
  ];
}

/** Other namespaces in which nodemesh is installed. */
export function installedElsewhere(
  daemonSets: PreFacts["daemonSets"],
  namespace: string,
): readonly string[] {
  if (typeof daemonSets === "string") return [];
  const agents = daemonSets.filter((set) => set.name === AGENT && set.namespace !== namespace);
  return agents.map((set) => set.namespace);
}

/** The cluster's role, its binding and the definition have one name in each installation: the last one takes them. */
export function secondFindings(
  daemonSets: PreFacts["daemonSets"],
  namespace: string,
): readonly Finding[] {
  return installedElsewhere(daemonSets, namespace).map((other) =>
    fail(
      `daemonset/${AGENT} in namespace ${other}`,
      `nodemesh is installed there, and a cluster has room for one: ${namespace} would take its ClusterRoleBinding away`,
      `nodemesh check -n ${other}; or first nodemesh uninstall --namespace ${other} | kubectl delete -f -`,
    ),
  );
}

/** What stays when an installation's namespace is deleted, instead of all that `nodemesh uninstall` names. */
function leftoverFindings({ daemonSets, wideObjects }: PreFacts): readonly Finding[] {
  const installed = typeof daemonSets === "string" || daemonSets.some(({ name }) => name === AGENT);
  if (installed || wideObjects.length === 0) return [];
  const definition = wideObjects.some((one) => one.startsWith("customresourcedefinition/"))
    ? " (with it go all ServiceMeshes)"
    : "";
  return [
    warn(
      "leftovers",
      `an installation that is gone has left ${wideObjects.join(", ")}, and perhaps BPF programs under /sys/fs/bpf/nodemesh on the nodes: they refuse for pods with mesh/fail=closed`,
      `install: it takes over all of them; or kubectl delete ${wideObjects.join(" ")}${definition}, and on each node rm -r /sys/fs/bpf/nodemesh, or boot it`,
    ),
  ];
}

/** The agent needs the host's network: only the level `privileged` of Pod Security lets it in. */
function podSecurityFinding({ namespace, namespaceLabels }: PreFacts): Finding {
  const subject = `namespace/${namespace}`;
  if (namespaceLabels === undefined) return pass(subject, "does not exist yet: install makes it");
  const level = namespaceLabels["pod-security.kubernetes.io/enforce"];
  if (level === undefined || level === "privileged")
    return pass(
      subject,
      `exists, Pod Security ${level === undefined ? "by the cluster's default" : "privileged"}`,
    );
  return fail(
    subject,
    `Pod Security enforces ${String(level)}: the agent's pods would be refused`,
    `kubectl label --overwrite namespace ${namespace} pod-security.kubernetes.io/enforce=privileged`,
  );
}

function seconds(milliseconds: number): string {
  return `${Math.round(Math.abs(milliseconds) / 1000)} s`;
}
