import assert from "node:assert/strict";
import { test } from "node:test";
import { describeFindings, warn } from "./finding.ts";

test("foreign words of a finding are shown and not obeyed; its colour is the command's own", () => {
  const found = warn("pod/a", "x\u009b31m", "do\ny\u202e");
  assert.deepEqual(describeFindings([found], (colour, text) => `<${colour} ${text}>`).slice(0, 2), [
    "<yellow warn>  pod/a: x\\u009b31m",
    "      -> do\\u000ay\\u202e",
  ]);
});
