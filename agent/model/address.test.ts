import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
  canonicalAddress,
  canonicalCidr,
  cidrContains,
  formatAddress,
  formatPortRange,
  mapAddress,
  parseAddress,
  parseCidr,
  parsePort,
  parsePortRange,
  unmapAddress,
} from "./address.ts";

const anyAddress: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Mostly zeros, so that the "::" rules are met.
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from(bytes)),
);

test("an address survives being written and read", () => {
  fc.assert(
    fc.property(anyAddress, (bytes) => {
      assert.deepEqual(parseAddress(formatAddress(bytes)), bytes);
    }),
  );
});

test("texts are read exactly when Node reads them, zone ids left out", () => {
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom(..."0123456789af:.F"), maxLength: 24 }),
    fc
      .array(fc.constantFrom("::", ":", "0", "1:2", "ffff", "1.2.3.4"), { maxLength: 9 })
      .map((a) => a.join("")),
  );
  fc.assert(
    fc.property(text, (t) => {
      assert.equal(parseAddress(t)?.length, isIPv4(t) ? 4 : isIPv6(t) ? 16 : undefined);
    }),
    { numRuns: 2000 },
  );
});

test("IPv6 is written as RFC 5952 asks", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["2001:0DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8::0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["fd00:0:0:0:0:0:0:0", "fd00::"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::FFFF:0a01:0203", "10.1.2.3"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ];
  for (const [given, want] of cases) assert.equal(canonicalAddress(given), want, given);
});

test("ambiguous or decorated addresses are refused", () => {
  for (const bad of [
    "",
    "01.2.3.4",
    "1.2.3",
    "1.2.3.4.5",
    " 1.2.3.4",
    "fe80::1%eth0",
    "1::2::3",
    ":::",
    "::1 ",
  ])
    assert.equal(parseAddress(bad), undefined, bad);
});

test("mapping and unmapping undo each other", () => {
  const v4 = Uint8Array.of(10, 0, 0, 1);
  assert.equal(formatAddress(mapAddress(v4)), "::ffff:10.0.0.1");
  assert.deepEqual(unmapAddress(mapAddress(v4)), v4);
});

test("blocks are canonical: host bits cleared, mapped blocks unmapped, bare addresses whole", () => {
  assert.equal(canonicalCidr("10.1.2.3/8"), "10.0.0.0/8");
  assert.equal(canonicalCidr("10.1.2.3"), "10.1.2.3/32");
  assert.equal(canonicalCidr("FD00:0::1/7"), "fc00::/7");
  assert.equal(canonicalCidr("::ffff:10.1.0.0/104"), "10.0.0.0/8");
  assert.equal(canonicalCidr("0.0.0.0/0"), "0.0.0.0/0");
  for (const bad of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "::/129", "10.0.0.0/8/8", "x/8"])
    assert.equal(canonicalCidr(bad), undefined, bad);
});

test("a block holds exactly the addresses that agree on its bits", () => {
  fc.assert(
    fc.property(anyAddress, anyAddress, fc.nat(128), (base, other, wanted) => {
      const bits = Math.min(wanted, base.length * 8);
      const cidr = parseCidr(`${formatAddress(base)}/${bits}`);
      assert.ok(cidr);
      // A short block of IPv6 that an IPv4 address in IPv6's clothes was cut to holds IPv6 only.
      if (unmapAddress(base).length === cidr.bytes.length) assert.ok(cidrContains(cidr, base));
      const plain = unmapAddress(other);
      const agree =
        plain.length === cidr.bytes.length &&
        toBits(plain).slice(0, cidr.bits) === toBits(cidr.bytes).slice(0, cidr.bits);
      assert.equal(cidrContains(cidr, other), agree);
    }),
  );
});

test("ports and port ranges are strict", () => {
  assert.equal(parsePort("65535"), 65535);
  for (const bad of ["0", "65536", "08", "+1", "1e3", ""]) assert.equal(parsePort(bad), undefined);
  assert.deepEqual(parsePortRange("80"), { first: 80, last: 80 });
  assert.deepEqual(parsePortRange("80-90"), { first: 80, last: 90 });
  for (const bad of ["90-80", "80-", "-80", "1-2-3", "a"])
    assert.equal(parsePortRange(bad), undefined);
  assert.equal(formatPortRange({ first: 80, last: 90 }), "80-90");
  assert.equal(formatPortRange({ first: 80, last: 80 }), "80");
});

function toBits(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
}
