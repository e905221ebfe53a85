import assert from "node:assert/strict";
import { test } from "node:test";
import { NOW, POD, NODE as V4_NODE } from "../../../test/support/cli-facts.ts";
import type { AgentPage, MeshPod } from "../mesh-facts.ts";
import { agentFindings } from "./agent-findings.ts";
import type { AgentFacts } from "./post-facts.ts";

const NODE = { ...V4_NODE, podCIDRs: ["10.0.0.0/24", "fd00::/64"] };

const PAGE: AgentPage = {
  kernel: "6.1.0",
  time: NOW.toISOString(),
  cgroup: "/sys/fs/cgroup/unified",
  btf: true,
  ipv6: true,
  bpffs: true,
  features: { "sk_lookup programs": true, "LPM tries": true },
  snapshot: { version: 1, ageSeconds: 1 },
  pods: [{ uid: "u", state: "caught", detail: "" }],
};

function lines(change: Partial<AgentPage>, pod: Partial<MeshPod> = {}): readonly string[] {
  const page = { kind: "page", value: { ...PAGE, ...change } } as const;
  const facts: AgentFacts = { pod: { ...POD, ...pod }, page, asked: [NOW, NOW] };
  return agentFindings("mesh", NODE, facts).map(
    ({ verdict, detail, nextStep = "" }) => `${verdict} ${detail} -> ${nextStep}`,
  );
}

test("a node with everything is one line with all of it", () => {
  assert.deepEqual(lines({}), [
    "pass kernel 6.1.0, cgroup v2 at /sys/fs/cgroup/unified, BPF all there, BPF file system yes, BTF yes, IPv6 yes -> ",
  ]);
});

test("an agent from before the facts were told is no failure", () => {
  const [line = ""] = lines({ features: undefined, bpffs: undefined });
  assert.match(line, /^pass .* BPF not told, BPF file system not told/);
});

test("what the kernel lacks fails with each name", () => {
  const features = { "sk_lookup programs": false, "LPM tries": true, "socket hashes": false };
  const [line = "", ...more] = lines({ features });
  assert.match(line, /^fail kernel 6\.1\.0 has no sk_lookup programs, no socket hashes -> boot /);
  assert.deepEqual(more, []);
});

test("a missing BPF file system fails, missing IPv6 warns where pods shall have it", () => {
  const [bpffs = "", ipv6 = ""] = lines({ bpffs: false, ipv6: false });
  assert.match(bpffs, /^fail no BPF file system .* -> on the node: systemctl start sys-fs-bpf/);
  assert.match(ipv6, /^warn its kernel has no IPv6/);
});

test("without IPv6 addresses of pods nobody misses IPv6", () => {
  const page = { kind: "page", value: { ...PAGE, ipv6: false } } as const;
  const [finding] = agentFindings("mesh", V4_NODE, { pod: POD, page, asked: [NOW, NOW] });
  assert.equal(finding?.verdict, "pass");
});

test("an agent that refused its node is not ready with its own words", () => {
  const [line = ""] = lines(
    {},
    { ready: false, trouble: "this kernel does not give the agent: x" },
  );
  assert.match(
    line,
    /^fail its agent nodemesh-agent-a is not ready: this kernel does not give the agent: x -> /,
  );
});

test("an agent that waits for control says that it does, and one of which nothing is known says nothing", () => {
  const waiting = { snapshot: { version: 0, ageSeconds: 0 } };
  const [line = ""] = lines(waiting, { ready: false });
  assert.match(line, /is not ready: it runs, and waits for a snapshot of control's -> /);
  assert.match(lines({}, { ready: false })[0] ?? "", /is not ready -> /);
});

test("pods that are caught in part are told apart from those that are not", () => {
  const pods = [
    { uid: "u", state: "caught", detail: "" },
    { uid: "v", state: "caught", detail: "only 10.1.0.2 is meshed" },
    { uid: "w", state: "out", detail: "no-such-pod" },
  ];
  const [, stuck = "", half = ""] = lines({ pods });
  assert.match(stuck, /^warn 1 enrolled pods are not caught: no-such-pod -> /);
  assert.match(half, /^warn 1 enrolled pods are caught in part: only 10\.1\.0\.2 is meshed -> /);
});

test("a clock that is off and pods that are not caught are told beside the facts", () => {
  const time = new Date(NOW.getTime() + 10_000).toISOString();
  const pods = [{ uid: "u", state: "failed", detail: "no namespace" }];
  const [first = "", clock = "", stuck = ""] = lines({ time, pods });
  assert.match(first, /^pass /);
  assert.match(clock, /^warn its clock is 10 s ahead of this machine's/);
  assert.match(
    stuck,
    /^warn 1 enrolled pods are not caught: no namespace -> nodemesh status -A --mesh-namespace mesh /,
  );
});
