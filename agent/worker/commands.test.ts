import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Answer, Command } from "../messages.ts";
import { Commands, DONE, type Outcome, type Reply } from "./commands.ts";

interface Lab {
  readonly commands: Commands;
  readonly answers: (readonly [number, Answer])[];
  readonly bugs: unknown[];
}

function lab(obey: (command: Command, reply: Reply) => Outcome): Lab {
  const answers: (readonly [number, Answer])[] = [];
  const bugs: unknown[] = [];
  const commands = new Commands({
    obey,
    send: (id, answer) => answers.push([id, answer]),
    onBug: (error) => bugs.push(error),
  });
  return { commands, answers, bugs };
}

const WATCH: Command = { kind: "watch", uid: "a" };

test("what a command throws is its answer, and the next one is taken", () => {
  const { commands, answers, bugs } = lab(({ kind }) => {
    if (kind === "drain") throw new TypeError("no such thing");
    return DONE;
  });
  commands.take({ kind: "command", id: 1, command: { kind: "drain" } });
  commands.take({ kind: "command", id: 2, command: WATCH });
  const problem = "drain: no such thing";
  assert.deepEqual(answers, [
    [1, { kind: "failed", problem }],
    [2, DONE],
  ]);
  assert.equal(bugs.length, 1);
});

test("a worker that can't go on gives no answer: its end is one", () => {
  const { commands, answers } = (() => {
    const answers: (readonly [number, Answer])[] = [];
    const commands = new Commands({
      obey: () => {
        throw new Error("the end");
      },
      send: (id, answer) => answers.push([id, answer]),
      onBug: (error) => {
        throw error;
      },
    });
    return { commands, answers };
  })();
  assert.throws(() => commands.take({ kind: "command", id: 1, command: WATCH }), /the end/);
  assert.deepEqual(answers, []);
});

/** What becomes of a command, and what is tried with its reply afterwards. */
const step = fc.record({
  outcome: fc.constantFrom("done" as const, "later" as const, "throws" as const),
  after: fc.array(fc.constantFrom("cancel" as const, "give" as const), { maxLength: 4 }),
});

test("every command is answered exactly once, in whatever order it is done, cancelled and done again", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), fc.nat(), (steps, turn) => {
      const replies: Reply[] = [];
      const { commands, answers } = lab((_, reply) => {
        const { outcome } = steps[replies.push(reply) - 1] ?? { outcome: "done" };
        if (outcome === "throws") throw new Error("a bug");
        return outcome === "done" ? DONE : "later";
      });
      for (const id of steps.keys()) commands.take({ kind: "command", id, command: WATCH });
      const later = steps.flatMap(({ after }, id) => after.map((act) => ({ act, id })));
      const from = turn % Math.max(1, later.length);
      for (const { act, id } of [...later.slice(from), ...later.slice(0, from)])
        if (act === "cancel") commands.take({ kind: "cancel", id });
        else replies[id]?.give(DONE);
      const open = steps.flatMap(({ outcome, after }, id) =>
        outcome === "later" && after.length === 0 ? [id] : [],
      );
      assert.equal(commands.open, open.length);
      for (const id of open) replies[id]?.give(DONE);
      assert.deepEqual(answers.map(([id]) => id).sort(byNumber), [...steps.keys()]);
      assert.equal(commands.open, 0);
    }),
  );
});

function byNumber(a: number, b: number): number {
  return a - b;
}
