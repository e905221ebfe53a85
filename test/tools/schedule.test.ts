import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nextFile } from "./schedule.ts";

const SIM = { name: "sim", concurrency: 2 };
const NETNS = { name: "netns", concurrency: 1 };

test("the first file whose group has room is next", () => {
  const [a, b, c] = [SIM, SIM, NETNS].map((group) => ({ group }));
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  assert.equal(nextFile([a, b, c], [], 3), a);
  assert.equal(nextFile([a, c], [{ group: SIM }, { group: SIM }], 3), c);
  assert.equal(nextFile([a], [{ group: SIM }, { group: SIM }], 3), undefined);
  assert.equal(nextFile([a, c], [{ group: SIM }], 1), undefined);
});

test("every file gets its turn, and never do more run than may", () => {
  const groups = fc.array(
    fc.record({ name: fc.constantFrom("a", "b", "c"), concurrency: fc.constantFrom(1, 2, 3) }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(groups, fc.integer({ min: 1, max: 4 }), (all, concurrency) => {
      const waiting = all.map((group) => ({ group }));
      const running: (typeof waiting)[number][] = [];
      for (let steps = 0; waiting.length + running.length > 0; steps++) {
        assert.ok(steps <= 2 * all.length);
        const next = nextFile(waiting, running, concurrency);
        if (next === undefined) {
          assert.ok(running.shift() !== undefined, "nothing runs, and nothing may start");
          continue;
        }
        running.push(...waiting.splice(waiting.indexOf(next), 1));
        const beside = running.filter(({ group }) => group.name === next.group.name);
        assert.ok(beside.length <= next.group.concurrency);
        assert.ok(running.length <= concurrency);
      }
    }),
  );
});
