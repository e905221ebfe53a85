import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAuthority } from "./authority.ts";
import { certificatesIn, OldRoots, withRoot } from "./roots.ts";

const HOUR_MS = 3_600_000;

test("certificates are read from a text one by one, and what is none is left out", () => {
  const [a, b] = [makeAuthority(Date.now()).certificate, makeAuthority(Date.now()).certificate];
  const none = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  assert.deepEqual(certificatesIn(`# mine\n${a.trim()}\n\n${none}${b.replaceAll("\n", "\r\n")}x`), [
    a,
    b,
  ]);
  assert.deepEqual(certificatesIn("broken"), []);
  assert.deepEqual(certificatesIn(""), []);
});

test("a new root comes first, one that is told stays where it is, the ninth costs the oldest", () => {
  assert.deepEqual(withRoot([], "a"), ["a"]);
  assert.deepEqual(withRoot(["a"], "b"), ["b", "a"]);
  assert.deepEqual(withRoot(["b", "a"], "a"), ["b", "a"]);
  const eight = ["8", "7", "6", "5", "4", "3", "2", "1"];
  assert.deepEqual(withRoot(eight, "9"), ["9", ...eight.slice(0, 7)]);
  assert.deepEqual(new OldRoots(() => 0).keep(eight, ["9", "1"]), ["9", "1", ...eight.slice(0, 6)]);
});

test("an old root is kept for a day from when this leader saw it out of use", () => {
  let now = 5 * HOUR_MS;
  const old = new OldRoots(() => now);
  assert.deepEqual(old.keep(["a"], ["a", "a"]), ["a"]);
  assert.deepEqual(old.keep(["a"], ["b", "a"]), ["b", "a"]);
  now += 23 * HOUR_MS;
  // The leader itself has changed over.
  assert.deepEqual(old.keep(["b", "a"], ["b", "b"]), ["b", "a"]);
  now += 23 * HOUR_MS;
  // The old one came back for a while.
  assert.deepEqual(old.keep(["b", "a"], ["a", "b"]), ["a", "b"]);
  assert.deepEqual(old.keep(["a", "b"], ["b", "b"]), ["b", "a"]);
  now += 24 * HOUR_MS - 1;
  assert.deepEqual(old.keep(["b", "a"], ["b", "b"]), ["b", "a"]);
  now += 1;
  assert.deepEqual(old.keep(["b", "a"], ["b", "b"]), ["b"]);
});
