/** What programs read is the same value, and nothing in it reaches a terminal as it is. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { isVisible } from "#model/visible.ts";
import { jsonText, yamlText } from "./formats.ts";

const ODD = [
  ...["\u001b[31m", "\u009b31m", "\u009d0;x\u0007", "\u202ea", "a\u2028b", "\ufeffx", "\u00a0"],
  ...["two\nlines\u200b", "\ttab", "cr\r\nlf", "\u{e0041}", " ", "", "yes", "1:30", "🙂 ok"],
];

test("JSON and YAML of odd words are visible and mean the same", () => {
  const value = {
    list: ODD,
    ...Object.fromEntries(
      ODD.map((word, at) => [`${at}${word}`, { word, twice: `${word}\n${word}` }]),
    ),
  };
  for (const [text, read] of [
    [jsonText(value), (json: string): unknown => JSON.parse(json)],
    [yamlText(value), (yaml: string): unknown => parse(yaml)],
  ] as const) {
    const raw = text.split("\n").filter((line) => !isVisible(line));
    assert.deepEqual(raw, []);
    assert.deepEqual(read(text), value);
  }
});

test("YAML is for people too: plain words stay plain, texts of several lines stay lines", () => {
  assert.equal(
    yamlText({ a: "plain words", b: "one\ntwo\n" }),
    "a: plain words\nb: |\n  one\n  two",
  );
});
