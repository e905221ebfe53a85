import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./support/source-files.ts";

/** Tracked files that are text, with their contents; needs git, as every checkout of the project has. */
function trackedTexts(): readonly { readonly path: string; readonly text: string }[] {
  const listed = execFileSync("git", ["-C", ROOT, "ls-files", "-z"], { encoding: "utf8" });
  return listed
    .split("\0")
    .filter((path) => path !== "")
    .flatMap((path) => {
      const text = readOrUndefined(path);
      return text === undefined || text.includes("\0") ? [] : [{ path, text }];
    });
}

/** Undefined for a file that is tracked but removed from the work tree. */
function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(join(ROOT, path), "utf8");
  } catch {
    return undefined;
  }
}

/** Written in pieces so that this file does not hold what it forbids. */
const FORBIDDEN: readonly (readonly [string, RegExp])[] = [
  [
    "a path of somebody's machine",
    new RegExp(`(?:^|[\\s"'\`(=:])/(?:${["work", "home", "Users"].join("|")})/\\w`),
  ],
  [
    "a package registry's host",
    new RegExp(
      [
        ["registry", "npmjs", "org"],
        ["registry", "yarnpkg", "com"],
        ["pypi", "org"],
        ["files", "pythonhosted", "org"],
        ["deb", "debian", "org"],
        ["crates", "io"],
        ["proxy", "golang", "org"],
      ]
        .map((parts) => parts.join("\\."))
        .join("|"),
    ),
  ],
  ["a private key", new RegExp(`-----BEGIN (?:EC |RSA )?${"PRIVATE"} KEY-----`)],
];

test("committed files name no registry host, no machine path and no private key", () => {
  const texts = trackedTexts();
  assert.ok(texts.length > 20, "git listed too few files: the check saw nothing");
  const wrong = texts.flatMap(({ path, text }) =>
    FORBIDDEN.filter(([, pattern]) => pattern.test(text)).map(([what]) => `${path} names ${what}`),
  );
  assert.deepEqual(wrong, []);
});

test("the lock file holds no registry addresses and a checksum of all it installs here", () => {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<
      string,
      { resolved?: string; link?: boolean; integrity?: string; optional?: boolean }
    >;
  };
  const installed = Object.entries(lock.packages).filter(([key]) =>
    key.startsWith("node_modules/"),
  );
  assert.ok(installed.length > 20, "the lock file lists too few packages");
  const addressed = installed.filter(([, entry]) => entry.resolved?.includes("://"));
  assert.deepEqual(
    addressed.map(([key]) => key),
    [],
  );
  const unchecked = installed.filter(
    ([, entry]) => entry.link !== true && entry.optional !== true && entry.integrity === undefined,
  );
  assert.deepEqual(
    unchecked.map(([key]) => key),
    [],
  );
});

test("every dependency has an exact version", () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<
    string,
    Readonly<Record<string, string>>
  >;
  const kinds = ["dependencies", "devDependencies", "optionalDependencies"];
  const ranged = kinds
    .flatMap((kind) => Object.entries(manifest[kind] ?? {}))
    .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
  assert.deepEqual(ranged, []);
});
