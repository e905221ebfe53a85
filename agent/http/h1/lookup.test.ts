import assert from "node:assert/strict";
import { test } from "node:test";
import { Head } from "./head.ts";
import { findCookie, printable, textOf } from "./lookup.ts";
import { ascii } from "./octets.ts";
import { parseRequest } from "./parse-head.ts";

function head(...lines: readonly string[]): Head {
  const made = new Head();
  const bytes = ascii(`GET / HTTP/1.1\r\n${["Host: x", ...lines].join("\r\n")}\r\n\r\n`);
  made.feed(bytes, 0, bytes.length);
  assert.ok(parseRequest(made) > 0);
  return made;
}

function field(from: Head, name: string): string | undefined {
  const range = { start: 0, end: 0 };
  const found = from.find(ascii(name), range) >= 0;
  return found ? textOf(from.bytes, range.start, range.end) : undefined;
}

function cookie(from: Head, name: string): string | undefined {
  const range = { start: 0, end: 0 };
  const found = findCookie(from, ascii(name), range);
  return found ? textOf(from.bytes, range.start, range.end) : undefined;
}

test("a field is found by its name in any case, trimmed, the first of several", () => {
  const some = head("X-User:  ann \t", "x-user: bob", "X-Empty:");
  assert.equal(field(some, "x-user"), "ann");
  assert.equal(field(some, "x-empty"), "");
  assert.equal(field(some, "x-use"), undefined);
  assert.equal(field(some, "x-userr"), undefined);
});

test("the search for a field can go on behind the one found", () => {
  const some = head("X: 1", "Y: 2", "x: 3");
  const range = { start: 0, end: 0 };
  const first = some.find(ascii("x"), range);
  assert.ok(some.find(ascii("x"), range, first + 1) > first);
  assert.equal(textOf(some.bytes, range.start, range.end), "3");
});

test("a cookie is found by its exact name in all Cookie fields", () => {
  const some = head("Cookie: aa=1; a=2;b=3", "cookie: c=4; d=", "Set-Cookie: e=5");
  const values = ["a", "aa", "b", "c", "d", "e", "A", ""].map((name) => cookie(some, name));
  assert.deepEqual(values, ["2", "1", "3", "4", "", undefined, undefined, undefined]);
});

test("a cookie's name inside another's value is not that cookie", () => {
  assert.equal(cookie(head("Cookie: x=a=1; y=2"), "a"), undefined);
  assert.equal(cookie(head("Cookie: x=a=1; y=2"), "x"), "a=1");
});

test("what is printed of a request cannot move a terminal's cursor", () => {
  const bytes = ascii("/a b\x1b[2J\x7f\x9b\xc3\xa9%41");
  assert.equal(printable(bytes, 0, bytes.length), "/a%20b%1B[2J%7F%9B%C3%A9%41");
  assert.equal(printable(bytes, 1, 2), "a");
});
