import assert from "node:assert/strict";
import { test } from "node:test";
import { AF_INET, AF_INET6 } from "../kernel/socket-constants.ts";
import { podAddresses } from "./pod-addresses.ts";

const PRESENT = ["127.0.0.1/8", "10.1.0.2/24", "10.1.0.3/24", "fd00::2/64", "fe80::2/64"].map(
  (address) => ({ index: 2, address, family: address.includes(":") ? AF_INET6 : AF_INET }) as const,
);

test("those that the API knows are told apart by whether the namespace has them", () => {
  assert.deepEqual(podAddresses(PRESENT, ["10.1.0.3", "fd00::2"]), {
    addresses: ["10.1.0.3", "fd00::2"],
    missing: [],
  });
  assert.deepEqual(podAddresses(PRESENT, ["fd00::9", "10.1.0.2"]), {
    addresses: ["10.1.0.2"],
    missing: ["fd00::9"],
  });
});

test("a namespace with none of them is not the pod's", () => {
  assert.throws(
    () => podAddresses(PRESENT, ["10.9.9.9", "fd00::9"]),
    /does not have its address 10\.9\.9\.9 \(it has 127\.0\.0\.1, 10\.1\.0\.2/,
  );
});

test("before the API knows any, the namespace's own count: one of each family that others can reach", () => {
  assert.deepEqual(podAddresses(PRESENT, []), { addresses: ["10.1.0.2", "fd00::2"], missing: [] });
  assert.throws(() => podAddresses(PRESENT.slice(0, 1), []), /has no address yet/);
});
