import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBLEM } from "../../../agent/http/h1/codes.ts";
import { requestProblem } from "../../../agent/http/h1/problem.ts";
import { forward } from "./forward.ts";
import { bytesOf, type OddCase, oddCases } from "./odd-cases.ts";
import { readStream } from "./read-stream.ts";

/** The rule that refuses the message, `none`, or `unfinished`. */
function ruleOf(odd: OddCase): string {
  const { ending, messages } = readStream({ kind: odd.kind }, [bytesOf(odd)]);
  if (ending === "end") return messages.length === 1 ? "none" : "unfinished";
  if (ending === "incomplete") return "unfinished";
  return requestProblem(PROBLEM[ending as keyof typeof PROBLEM]).rule;
}

for (const odd of oddCases())
  test(`${odd.kind}: ${odd.what}: ${odd.outcome}`, () => {
    const rule = ruleOf(odd);
    if (odd.outcome === "refused") {
      assert.equal(rule, odd.rule);
      return;
    }
    assert.equal(rule, "none");
    const { given, written, verbatim } = forward(odd.kind, bytesOf(odd));
    assert.equal(written, odd.outcome === "passes" ? given : odd.forwarded);
    // What is left out before a request costs nothing: the rest is sent from where it is.
    assert.equal(verbatim, written === given);
  });

test("every rule refuses something in the corpus", () => {
  const seen = oddCases().map((odd) => (odd.outcome === "refused" ? odd.rule : ""));
  for (const code of Object.values(PROBLEM)) {
    const { rule } = requestProblem(code);
    assert.ok(seen.includes(rule), `nothing is refused by ${rule}`);
  }
});
