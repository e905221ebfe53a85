import assert from "node:assert/strict";
import { test } from "node:test";
import { table } from "./table.ts";

test("columns are as wide as their widest cell, and no line ends in spaces", () => {
  assert.deepEqual(
    table(
      ["NAME", "N", "WHY"],
      [
        ["a", "1000", ""],
        ["longer", "1", "because"],
      ],
    ),
    ["NAME     N      WHY", "a        1000", "longer   1      because"],
  );
});

test("without rows there is the head", () => {
  assert.deepEqual(table(["A", "B"], []), ["A   B"]);
});

test("a cell shows what a terminal would obey, and its column is as wide as that", () => {
  assert.deepEqual(table(["A", "B"], [["\u009b31mx", "y\n\u202ez"]]), [
    "A            B",
    "\\u009b31mx   y\\u000a\\u202ez",
  ]);
});
