/** What an agent says of its node and of its pods: facts to findings. Pure. */

import type { AgentPage, MeshPod, Silence } from "../mesh-facts.ts";
import { mendStep } from "../next-steps.ts";
import { type Finding, fail, pass, warn } from "./finding.ts";
import type { AgentFacts } from "./post-facts.ts";
import type { NodeFacts } from "./pre-facts.ts";

/** A node's clock may be this far off before certificates and tokens are refused. */
const MAX_SKEW_MS = 5000;

/** What only a process on the node knows. */
export function agentFindings(
  namespace: string,
  node: NodeFacts,
  { pod, page, asked }: AgentFacts,
): readonly Finding[] {
  const subject = `node/${pod.node}`;
  if (!pod.ready)
    return [
      fail(
        subject,
        `its agent ${pod.name} is not ready${unready(pod, page)}`,
        `kubectl -n ${namespace} describe pod ${pod.name}; kubectl -n ${namespace} logs ${pod.name}`,
      ),
    ];
  if (page.kind === "none")
    return [
      warn(
        subject,
        `its agent ${pod.name} tells no facts: ${page.problem}`,
        silenceStep(namespace, pod, page.cause),
      ),
    ];
  return [
    ...kernelFindings(node, page.value),
    ...clockFindings(subject, page.value, asked),
    ...stuckFindings(namespace, subject, page.value),
  ];
}

/** Why it is not, with a colon before; empty: nothing is known. */
function unready({ trouble }: MeshPod, page: AgentFacts["page"]): string {
  if (trouble !== "") return `: ${trouble}`;
  if (page.kind === "none") return "";
  return page.value.snapshot.version === 0
    ? ": it runs, and waits for a snapshot of control's"
    : "";
}

/** What to do when a process of the mesh tells nothing. */
export function silenceStep(namespace: string, pod: MeshPod, cause: Silence): string {
  switch (cause) {
    case "forbidden":
      return `ask for the permission to get pods/proxy in namespace ${namespace}`;
    case "unreachable":
      return `let the API server reach port ${pod.metricsPort} of ${pod.name} (node ${pod.node}); kubectl -n ${namespace} logs ${pod.name}`;
    case "another-version":
      return `${mendStep(namespace)}, or use the nodemesh of that version`;
  }
}

/** What the agent found when it tried; one line with all of it when nothing is missing. */
function kernelFindings(node: NodeFacts, page: AgentPage): readonly Finding[] {
  const { kernel, cgroup, btf, ipv6, bpffs, features = {} } = page;
  const subject = `node/${node.name}`;
  const wrong: Finding[] = [];
  const tried = Object.entries(features);
  const lacking = tried.filter(([, there]) => !there).map(([name]) => name);
  if (lacking.length > 0)
    wrong.push(
      fail(
        subject,
        `kernel ${kernel} has no ${lacking.join(", no ")}`,
        "boot a kernel of 5.10 or newer that is built with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF and CONFIG_INET, or keep the agent off this node",
      ),
    );
  if (bpffs === false)
    wrong.push(
      fail(
        subject,
        "no BPF file system is mounted at /sys/fs/bpf",
        "on the node: systemctl start sys-fs-bpf.mount, or: mount -t bpf bpf /sys/fs/bpf",
      ),
    );
  if (!ipv6 && node.podCIDRs.some((cidr) => cidr.includes(":")))
    wrong.push(
      warn(
        subject,
        "its kernel has no IPv6, but its pods shall have IPv6 addresses",
        "boot the node without ipv6.disable=1, or give it IPv4 pod addresses alone",
      ),
    );
  if (wrong.length > 0) return wrong;
  const bpf = tried.length === 0 ? "not told" : "all there";
  return [
    pass(
      subject,
      `kernel ${kernel}, cgroup v2 at ${cgroup}, BPF ${bpf}, BPF file system ${yes(bpffs)}, BTF ${yes(btf)}, IPv6 ${yes(ipv6)}`,
    ),
  ];
}

function clockFindings(
  subject: string,
  { time }: AgentPage,
  asked: AgentFacts["asked"],
): readonly Finding[] {
  const there = Date.parse(time);
  const [from, to] = [asked[0].getTime() - MAX_SKEW_MS, asked[1].getTime() + MAX_SKEW_MS];
  if (there >= from && there <= to) return [];
  return [
    warn(
      subject,
      `its clock is ${Math.round(Math.abs(there - asked[1].getTime()) / 1000)} s ${there < from ? "behind" : "ahead of"} this machine's`,
      "start time synchronisation on the one that is wrong",
    ),
  ];
}

function stuckFindings(
  namespace: string,
  subject: string,
  { pods }: AgentPage,
): readonly Finding[] {
  const stuck = pods.filter(({ state }) => state !== "caught");
  const halves = pods.filter(({ state, detail }) => state === "caught" && detail !== "");
  const kinds = [
    ["are not caught", stuck],
    ["are caught in part", halves],
  ] as const;
  return kinds.flatMap(([what, [first, ...others]]) => {
    if (first === undefined) return [];
    const count = others.length + 1;
    const names = `nodemesh status -A --mesh-namespace ${namespace} names them`;
    return [warn(subject, `${count} enrolled pods ${what}: ${first.detail}`, names)];
  });
}

function yes(value: boolean | undefined): string {
  return value === undefined ? "not told" : value ? "yes" : "no";
}
