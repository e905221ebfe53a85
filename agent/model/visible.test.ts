import assert from "node:assert/strict";
import { test } from "node:test";
import { isVisible, visible, visibleJson, visibleLines } from "./visible.ts";

/** One or more of each kind that a terminal obeys, reorders by, or shows nothing of. */
const UNSEEN: readonly (readonly [number, string])[] = [
  [0x00, "\\u0000"],
  [0x07, "\\u0007"],
  [0x09, "\\u0009"],
  [0x0a, "\\u000a"],
  [0x0d, "\\u000d"],
  [0x1b, "\\u001b"],
  [0x7f, "\\u007f"],
  [0x85, "\\u0085"],
  [0x90, "\\u0090"],
  [0x9b, "\\u009b"],
  [0x9d, "\\u009d"],
  [0xa0, "\\u00a0"],
  [0xad, "\\u00ad"],
  [0x034f, "\\u034f"],
  [0x061c, "\\u061c"],
  [0x115f, "\\u115f"],
  [0x180e, "\\u180e"],
  [0x200b, "\\u200b"],
  [0x200d, "\\u200d"],
  [0x200f, "\\u200f"],
  [0x2028, "\\u2028"],
  [0x2029, "\\u2029"],
  [0x202e, "\\u202e"],
  [0x2060, "\\u2060"],
  [0x2066, "\\u2066"],
  [0x2800, "\\u2800"],
  [0x3000, "\\u3000"],
  [0x3164, "\\u3164"],
  [0xd800, "\\ud800"],
  [0xe000, "\\ue000"],
  [0xfe0f, "\\ufe0f"],
  [0xfeff, "\\ufeff"],
  [0xfff9, "\\ufff9"],
  [0xffff, "\\uffff"],
  [0xe0041, "\\u{e0041}"],
  [0xe0100, "\\u{e0100}"],
  [0x10ffff, "\\u{10ffff}"],
];

test("what a terminal obeys or does not show is written in letters", () => {
  for (const [code, written] of UNSEEN) {
    const character = String.fromCodePoint(code);
    assert.equal(visible(`a${character}b`), `a${written}b`);
    assert.equal(isVisible(character), false, written);
  }
});

test("words of people stay as they are", () => {
  for (const word of [
    "mesh/fail",
    "a b",
    "größer",
    "日本語",
    "עברית",
    "price: 5 €",
    "🙂",
    "a\\u009b",
  ])
    assert.deepEqual([visible(word), isVisible(word)], [word, true]);
});

test("of several lines only the ends stay", () => {
  assert.equal(visibleLines("a\u009b\nb\tc\n"), "a\\u009b\nb\\u0009c\n");
});

test("JSON says the same, indented or not", () => {
  for (const [code] of UNSEEN) {
    const value = { [`k${String.fromCodePoint(code)}`]: ["x", String.fromCodePoint(code)] };
    for (const indent of [0, 2]) {
      const json = visibleJson(JSON.stringify(value, null, indent));
      assert.ok(json.split("\n").every(isVisible), json);
      assert.deepEqual(JSON.parse(json), value);
    }
  }
});
