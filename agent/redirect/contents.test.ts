import assert from "node:assert/strict";
import { test } from "node:test";
import { readEnrolmentWords, resolveEnrolment } from "#model/annotations.ts";
import type { Enrolment } from "#model/enrolment.ts";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import { EMPTY_SNAPSHOT } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import * as layout from "../kernel/layout.gen.ts";
import type { EnrolledWorkload } from "./contents.ts";
import { enrolledOn, leavingContents, podContents } from "./contents.ts";

const COOKIE = 7n;

function workload(enrolment: Partial<Enrolment> = {}): EnrolledWorkload {
  return {
    uid: "a",
    name: "a",
    namespace: "default",
    owner: "a",
    serviceAccount: "default",
    node: "one",
    addresses: ["10.1.2.3", "fd00::3"],
    enrolment: { ...DEFAULT_ENROLMENT, ...enrolment },
    ports: [],
  };
}

test("a pod without wishes is caught whole and fails open", () => {
  const { pod, ports, cidrs } = podContents(workload(), COOKIE);
  assert.equal(pod.flags, layout.POD_CATCH);
  assert.deepEqual(ports, []);
  assert.deepEqual(cidrs, []);
});

test("addresses lie in memory as the kernel has them, IPv4 mapped", () => {
  const { pod } = podContents(workload(), COOKIE);
  assert.deepEqual(pod.ipv4.word, [0, 0, 0xffff0000, 0x0302010a]);
  assert.deepEqual(pod.ipv6.word, [0x000000fd, 0, 0, 0x03000000]);
});

test("a pod without IPv6 has zeroes for it", () => {
  const { pod } = podContents({ ...workload(), addresses: ["10.1.2.3"] }, COOKIE);
  assert.deepEqual(pod.ipv6.word, [0, 0, 0, 0]);
});

test("ports are written in network byte order, each direction apart", () => {
  const wishes = {
    excludeOutboundPorts: [{ first: 3306, last: 3306 }],
    excludeInboundPorts: [{ first: 256, last: 511 }],
  };
  const { pod, ports } = podContents(workload(wishes), COOKIE);
  assert.equal(pod.flags, layout.POD_CATCH | layout.POD_PORTS_OUT | layout.POD_PORTS_IN);
  assert.deepEqual(ports, [
    { prefixLength: 112, direction: layout.DIRECTION_OUT, pod: COOKIE, port: 0xea0c },
    { prefixLength: 104, direction: layout.DIRECTION_IN, pod: COOKIE, port: 1 },
  ]);
});

test("blocks of IPv4 are mapped and told apart from IPv6", () => {
  const { pod, cidrs } = podContents(
    workload({ excludeOutboundCidrs: ["10.0.0.0/8", "::/0"] }),
    COOKIE,
  );
  assert.equal(pod.flags, layout.POD_CATCH | layout.POD_CIDRS);
  assert.deepEqual(
    cidrs.map(([key, verdict]) => [key.prefixLength, key.family, key.address.word, verdict]),
    [
      [200, 2, [0, 0, 0xffff0000, 10], layout.CIDR_EXCLUDE],
      [96, 10, [0, 0, 0, 0], layout.CIDR_EXCLUDE],
    ],
  );
});

test("excluding wins over including, also a smaller block inside", () => {
  const wishes = {
    excludeOutboundCidrs: ["10.0.0.0/8"],
    includeOutboundCidrs: ["10.1.0.0/16", "10.0.0.0/8", "192.168.0.0/16"],
  };
  const { pod, cidrs } = podContents(workload(wishes), COOKIE);
  assert.ok(pod.flags & layout.POD_CIDRS_ONLY);
  assert.deepEqual(
    cidrs.map(([key, verdict]) => [key.address.word[3], verdict]),
    [
      [10, layout.CIDR_EXCLUDE],
      [0xa8c0, layout.CIDR_INCLUDE],
    ],
  );
});

test("a leaving pod keeps everything but being caught", () => {
  const contents = podContents(workload({ fail: "closed" }), COOKIE);
  assert.equal(leavingContents(contents).pod.flags, layout.POD_FAIL_CLOSED);
});

test("only this node's enrolled pods count", () => {
  const { enrolment: _, ...plain } = workload();
  const all: Workload[] = [
    workload(),
    { ...workload(), uid: "b", node: "two" },
    { ...plain, uid: "c" },
  ];
  const snapshot = { ...EMPTY_SNAPSHOT, workloads: new Map(all.map((w) => [w.uid, w])) };
  assert.deepEqual([...enrolledOn("one", snapshot).keys()], ["a"]);
});

test("the most that annotations can ask for is a pod's share of the tables", () => {
  const lists = {
    "mesh/enabled": "true",
    "mesh/exclude-inbound-ports": list((i) => `${1024 * i + 1}-${1024 * i + 1022}`),
    "mesh/exclude-outbound-ports": list(() => "1-65534"),
    "mesh/exclude-outbound-cidrs": list((i) => `10.0.${i}.0/24`),
    "mesh/include-outbound-cidrs": list((i) => `fd00:${i}::/64`),
  };
  const { value, problems } = readEnrolmentWords({ annotations: lists, labels: {} });
  assert.deepEqual(problems, []);
  const enrolment = resolveEnrolment(value, {});
  assert.ok(enrolment !== undefined);
  const { ports, cidrs } = podContents({ ...workload(), enrolment }, COOKIE);
  assert.ok(ports.length <= layout.PORT_SHARE, `${ports.length} ports`);
  assert.equal(cidrs.length, layout.CIDR_SHARE);
  for (const name of Object.keys(lists).slice(1)) {
    const annotations = {
      [name]: `${list((i) => (name.endsWith("ports") ? `${i + 1}` : `10.1.${i}.0/24`))},1`,
    };
    assert.equal(readEnrolmentWords({ annotations, labels: {} }).problems.length, 1, name);
  }
});

function list(each: (i: number) => string): string {
  return Array.from({ length: 64 }, (_, i) => each(i)).join();
}
