import assert from "node:assert/strict";
import { test } from "node:test";
import { generateLayout } from "./layout.ts";

test("values that are not written follow the one before", () => {
  const text = generateLayout("enum a {\n  ONE = 1, // The first.\n  TWO, // The next.\n};\n");
  assert.match(text, /\/\*\* The first\. \*\/\nexport const ONE = 1;/);
  assert.match(text, /\/\*\* The next\. \*\/\nexport const TWO = 2;/);
});

test("reasons become a list in the order of their slots", () => {
  const text = generateLayout("enum reason {\n  A_B, // One.\n  C, // Two.\n  REASON_COUNT,\n};\n");
  assert.match(text, /"a-b",\n {2}\/\*\* Two\. \*\/\n {2}"c",\n\] as const/);
});

test("a constant without explanation is refused", () => {
  assert.throws(() => generateLayout("enum a {\n  ONE = 1,\n};\n"), /ONE is not explained/);
});

test("a constant that is not a plain number is refused", () => {
  assert.throws(() => generateLayout("enum a {\n  ONE = X, // Why.\n};\n"), /no plain value/);
});
