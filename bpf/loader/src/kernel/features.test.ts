/** Features by probing: each is found here, and missed where the kernel does not know its type. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BPF } from "../sys/constants.ts";
import { type Host, hostOver } from "../sys/host.ts";
import { openKernel } from "../sys/koffi-syscalls.ts";
import type { Syscalls } from "../sys/syscalls.ts";
import { type Feature, hasFeature } from "./features.ts";

const EINVAL = 22;

/** The running kernel, but without one type of program or map. */
function without(command: number, type: number): Host {
  const kernel = openKernel();
  const bpf: Syscalls["bpf"] = (asked, attr, size) => {
    const [first] = new Uint32Array(kernel.memory(attr, 4));
    return asked === command && first === type ? -EINVAL : kernel.bpf(asked, attr, size);
  };
  const door = new Proxy(kernel, {
    get: (target, name) => {
      const found: unknown = name === "bpf" ? bpf : Reflect.get(target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
  return hostOver(door);
}

const KINDS: readonly (readonly [Feature, number, number])[] = [
  ["lru-hashes", BPF.mapCreate, 9],
  ["lpm-tries", BPF.mapCreate, 11],
  ["socket-hashes", BPF.mapCreate, 18],
  ["sockops-programs", BPF.progLoad, 13],
  ["connect-programs", BPF.progLoad, 18],
  ["sk-lookup-programs", BPF.progLoad, 30],
];

for (const [feature, command, type] of KINDS)
  test(`${feature} are there exactly when the kernel knows their type`, () => {
    const others = KINDS.filter(([other]) => other !== feature).map(([other]) => other);
    const host = without(command, type);
    assert.equal(hasFeature(feature, host), false);
    assert.deepEqual(new Set(others.map((other) => hasFeature(other, host))), new Set([true]));
    assert.ok(hasFeature("program-names", host));
  });
