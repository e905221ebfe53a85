/** Opens the authority when the API server is slow to come, and keeps what agents trust as it should be. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Authority } from "./authority.ts";
import { OldRoots } from "./roots.ts";
import { type AuthorityStore, StoreError } from "./store.ts";

/** Between two tries while the API server is away: doubling. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5000;
/** How often the leader looks whether Secret and ConfigMap are as they should be. */
const REPAIR_MS = 60_000;

/** Told of each new problem. Must not throw. */
export type OnProblem = (problem: string) => void;

/**
 * Opens the authority, waiting for an API server that is away or for roles and a namespace that are being
 * installed. Rejects with AuthorityError when what is there can't be used, and when the signal aborts.
 */
export async function openAuthority(
  store: AuthorityStore,
  signal: AbortSignal,
  onProblem: OnProblem,
): Promise<Authority> {
  let told = "";
  for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
    try {
      return await store.open(signal);
    } catch (cause) {
      if (!(cause instanceof StoreError) || signal.aborted) throw cause;
      if (cause.message !== told) onProblem(cause.message);
      told = cause.message;
    }
    await sleep(wait, undefined, { signal });
  }
}

/** What keeping needs. */
export interface KeepOptions {
  readonly store: AuthorityStore;
  /** The one that this replica signs with now. */
  readonly inUse: () => Authority;
  /** The leader's term. */
  readonly signal: AbortSignal;
  readonly onProblem: OnProblem;
  readonly everyMs?: number;
}

/** For the leader: repairs Secret and ConfigMap at once and now and then, until the signal aborts. Never rejects. */
export async function keepAuthority(options: KeepOptions): Promise<void> {
  const { store, inUse, signal, onProblem, everyMs = REPAIR_MS } = options;
  const old = new OldRoots(() => performance.now());
  let told = "";
  while (!signal.aborted) {
    const problem = await problemOf(store.repair(inUse(), old, signal));
    if (problem !== "" && problem !== told && !signal.aborted) onProblem(problem);
    told = problem;
    // Rejects only when aborted, which the loop sees.
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
}

/** What is wrong after a repair; empty = nothing. */
async function problemOf(repair: ReturnType<AuthorityStore["repair"]>): Promise<string> {
  try {
    if ((await repair) === "same") return "";
    return (
      "Secret nodemesh-ca holds another authority than the one in use: control signs with it from its next " +
      "certificate on, within 16 hours; restart control's pods to have it at once"
    );
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
