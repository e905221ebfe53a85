import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { checkOut, HERE } from "./checkout.ts";

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-against-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "old");
}

function git(...words: readonly string[]): string {
  return execFileSync("git", ["-C", HERE, ...words], { encoding: "utf8" });
}

test("a commit's own files are checked out, and nothing of it stays", async (context) => {
  const folder = folderOf(context);
  {
    await using old = await checkOut("HEAD", folder);
    assert.equal(old.commit, git("rev-parse", "HEAD").trim());
    assert.equal(
      readFileSync(join(old.root, "package.json"), "utf8"),
      git("show", "HEAD:package.json"),
    );
    assert.ok(git("worktree", "list").includes(old.commit.slice(0, 7)));
  }
  assert.ok(!existsSync(folder));
  assert.ok(!git("worktree", "list", "--porcelain").includes(folder));
});

test("what is no commit is refused with git's words, before anything is made", async (context) => {
  const folder = folderOf(context);
  await assert.rejects(
    checkOut("no-such-commit", folder),
    /git rev-parse: .*no-such-commit|git rev-parse: .*single revision/,
  );
  await assert.rejects(checkOut("--help", folder), /git rev-parse/);
  assert.ok(!existsSync(folder));
});
