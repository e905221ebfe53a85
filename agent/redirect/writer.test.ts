import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { PodContents } from "./contents.ts";
import { podContents } from "./contents.ts";
import type { FakeTables } from "./fakes.ts";
import { dump, fakeTables } from "./fakes.ts";
import { adoptContents, sameContents, writeChange } from "./writer.ts";

const range = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 9 }))
  .map(([first, more]) => ({ first, last: first + more }));
const cidr = fc.constantFrom("10.0.0.0/8", "10.1.0.0/16", "fd00::/8", "::/0", "192.168.1.1/32");

const contentsOf = (cookie: bigint): fc.Arbitrary<PodContents> =>
  fc
    .record({
      fail: fc.constantFrom("open", "closed"),
      excludeOutboundPorts: fc.array(range, { maxLength: 3 }),
      excludeInboundPorts: fc.array(range, { maxLength: 3 }),
      excludeOutboundCidrs: fc.array(cidr, { maxLength: 3 }),
      includeOutboundCidrs: fc.array(cidr, { maxLength: 3 }),
    })
    .map((wishes) => {
      const workload = {
        uid: `pod-${cookie}`,
        name: "p",
        namespace: "n",
        owner: "p",
        serviceAccount: "s",
        node: "one",
        addresses: ["10.9.0.1"],
        ports: [],
      };
      return podContents({ ...workload, enrolment: { ...DEFAULT_ENROLMENT, ...wishes } }, cookie);
    });

/** A history: each step sets one of three pods to something, or to nothing. */
const history = fc.array(
  fc
    .constantFrom(1n, 2n, 3n)
    .chain((cookie) =>
      fc.tuple(fc.constant(cookie), fc.option(contentsOf(cookie), { nil: undefined })),
    ),
  { maxLength: 12 },
);

function written(all: Iterable<PodContents>): string[] {
  const tables = fakeTables();
  for (const to of all) writeChange(tables, { from: undefined, to });
  return dump(tables);
}

test("after any history the tables hold what the last contents say, and nothing else", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const tables = fakeTables();
      const now = new Map<bigint, PodContents>();
      for (const [cookie, to] of steps) {
        writeChange(tables, { from: now.get(cookie), to });
        if (to) now.set(cookie, to);
        else now.delete(cookie);
        assert.deepEqual(dump(tables), written(now.values()));
      }
    }),
  );
});

test("between two writes, what both sides exclude stays excluded", () => {
  fc.assert(
    fc.property(contentsOf(1n), contentsOf(1n), (from, to) => {
      const kept = dumpPorts(from).filter((port) => dumpPorts(to).includes(port));
      let watching = false;
      const tables: FakeTables = fakeTables(() => {
        if (!watching) return;
        const there = dump(tables).filter((line) => line.startsWith("1 "));
        for (const port of kept) assert.ok(there.includes(port));
      });
      writeChange(tables, { from: undefined, to: from });
      watching = true;
      writeChange(tables, { from, to });
    }),
  );
});

test("an entry of `pods` never goes before its exclusions when a pod enters, nor after when it leaves", () => {
  fc.assert(
    fc.property(contentsOf(1n), (contents) => {
      let complete = written([contents]).length - 1;
      const tables: FakeTables = fakeTables(() => {
        if (tables.pods.get(1n)) assert.equal(dump(tables).length - 1, complete);
      });
      writeChange(tables, { from: undefined, to: contents });
      complete = -1;
      writeChange(tables, { from: contents, to: undefined });
      assert.deepEqual(dump(tables), []);
    }),
  );
});

test("a new agent reads back exactly what the earlier one wrote, and forgets pods that are gone", () => {
  fc.assert(
    fc.property(contentsOf(1n), contentsOf(2n), (one, two) => {
      const tables = fakeTables();
      for (const to of [one, two]) writeChange(tables, { from: undefined, to });
      const adopted = adoptContents(tables, [1n, 3n]);
      assert.deepEqual([...adopted.keys()], [1n, 3n]);
      assert.equal(adopted.get(3n), undefined);
      assert.deepEqual(dump(tables), written([one]));
      writeChange(tables, { from: adopted.get(1n), to: undefined });
      assert.deepEqual(dump(tables), []);
    }),
  );
});

test("contents are the same only when they would write the same", () => {
  fc.assert(
    fc.property(contentsOf(1n), contentsOf(1n), (a, b) => {
      assert.ok(sameContents(a, structuredClone(a)));
      if (sameContents(a, b)) assert.deepEqual(written([a]), written([b]));
    }),
  );
});

function dumpPorts(contents: PodContents): string[] {
  return written([contents]).filter((line) => line.startsWith("1 "));
}
