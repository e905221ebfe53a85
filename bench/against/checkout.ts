/** An old commit of this project, whole, in a folder that goes when the run ends. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram } from "../harness/process.ts";

/** The checkout that this file belongs to. */
export const HERE: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

const GIT_TIMEOUT_MS = 60_000;
/** npm may have to fetch everything over a slow line. */
const INSTALL_TIMEOUT_MS = 600_000;

/** A commit's files. */
export interface Checkout extends AsyncDisposable {
  readonly root: string;
  /** The full name of the commit. */
  readonly commit: string;
}

/** Checks a commit out into `folder`, which must not exist. Rejects with git's words when there is no such commit. */
export async function checkOut(commit: string, folder: string): Promise<Checkout> {
  const name = (
    await git("rev-parse", "--verify", "--end-of-options", `${commit}^{commit}`)
  ).trim();
  await git("worktree", "prune"); // forgets what a killed run has registered
  await git("worktree", "add", "--detach", "--quiet", folder, name);
  return {
    root: folder,
    commit: name,
    async [Symbol.asyncDispose]() {
      await git("worktree", "remove", "--force", folder);
    },
  };
}

/** How this checkout is called: its commit, and whether files differ from it. */
export async function ownName(): Promise<string> {
  return (await git("describe", "--always", "--dirty", "--abbrev=12")).trim();
}

/** Installs the locked dependencies of a checkout by its own launcher. Rejects when it has no simulator. */
export async function install(root: string): Promise<void> {
  if (!existsSync(join(root, "deploy/sim/main.ts")))
    throw new Error("the commit has no simulator (deploy/sim/main.ts): its agent can't be run");
  const done = await runProgram(ownProgram(root, ["sim", "--help"]), {
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  if (done.code !== 0) throw new Error(`the commit's own installation failed: ${done.stderr}`);
}

/** `nodemesh` of a checkout with the Node and the caches of that checkout, whatever ours are. */
export function ownProgram(root: string, words: readonly string[]): readonly string[] {
  const ours = ["NODE_COMPILE_CACHE", "NODEMESH_NODE"].flatMap((name) => ["-u", name]);
  return ["env", ...ours, join(root, "bin/nodemesh"), ...words];
}

async function git(...words: readonly string[]): Promise<string> {
  const done = await runProgram(["git", "-C", HERE, ...words], { timeoutMs: GIT_TIMEOUT_MS });
  if (done.code !== 0) throw new Error(`git ${words[0]}: ${done.stderr.trim()}`);
  return done.stdout;
}
