/** One kind of cluster: brought up, tested in, taken down, and whatever fails on the way told as its result. */

import type { GroupResult } from "./group-run.ts";

/** What is done with it. */
export interface KindSteps {
  readonly name: string;
  /** How many test files it has. */
  readonly files: number;
  readonly up: () => Promise<unknown>;
  readonly test: () => Promise<GroupResult>;
  /** Keeps what tells why something failed, while the cluster is there. */
  readonly save: () => Promise<void>;
  /** Takes it down, however far it came; decides by itself whether the cluster is kept. */
  readonly down: () => Promise<void>;
  readonly say: (line: string) => void;
}

/** Takes the steps. Never throws: neither may an error of `down` hide one of `up`, nor both the results of other kinds. */
export async function runKind({
  name,
  files,
  up,
  test,
  save,
  down,
  say,
}: KindSteps): Promise<GroupResult> {
  const started = performance.now();
  const failures: string[] = [];
  const attempt = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await act();
    } catch (error) {
      const failure = `${name}: ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
      failures.push(failure);
      say(`FAIL ${failure}`);
      return undefined;
    }
  };
  const tested = await attempt("the cluster does not come up", async () => {
    await up();
    return true;
  }).then((isUp) => (isUp === true ? attempt("the tests do not run", test) : undefined));
  if (tested === undefined || tested.failures.length > 0)
    await attempt("the logs can't be kept", save);
  await attempt("the cluster can't be taken down", down);
  return {
    files,
    passed: 0,
    announced: [],
    slowest: [],
    ...tested,
    name,
    failures: [...(tested?.failures ?? []), ...failures],
    seconds: (performance.now() - started) / 1000,
  };
}
