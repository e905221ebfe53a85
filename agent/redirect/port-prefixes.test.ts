import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { portPrefixes } from "./port-prefixes.ts";

const ranges = fc
  .tuple(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 1, max: 65535 }))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));

test("one port is one full prefix", () => {
  assert.deepEqual(portPrefixes({ first: 8080, last: 8080 }), [{ port: 8080, bits: 16 }]);
});

test("an aligned power of two is one prefix", () => {
  assert.deepEqual(portPrefixes({ first: 1024, last: 2047 }), [{ port: 1024, bits: 6 }]);
});

test("the prefixes cover the range exactly, once, in at most 30 pieces", () => {
  fc.assert(
    fc.property(ranges, ({ first, last }) => {
      const prefixes = portPrefixes({ first, last });
      assert.ok(prefixes.length <= 30);
      let next = first;
      for (const { port, bits } of prefixes) {
        const size = 2 ** (16 - bits);
        assert.equal(port, next);
        assert.equal(port % size, 0);
        next += size;
      }
      assert.equal(next, last + 1);
    }),
  );
});
