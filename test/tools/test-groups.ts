/** Which group a test file belongs to, and how each group runs. */

/** A group of test files that run alike. */
export interface TestGroup {
  readonly name: string;
  /** Files of the group at the same time. */
  readonly concurrency: number;
  /** Longest time for one file in milliseconds. */
  readonly timeoutMs: number;
  /** Longest time for one test, in milliseconds; undefined = as long as its file. */
  readonly testTimeoutMs?: number;
  readonly holds: (path: string) => boolean;
  /** Runs only when it is named: it needs what `npm test` does not bring. */
  readonly onDemand: boolean;
  /** Whether each file runs in a machine of its own, in which nothing may stay. */
  readonly ownMachine: boolean;
}

/** The slowest file takes a minute alone, and two on a machine that is busy with much else. */
const FILE_TIMEOUT_MS = 300_000;

/**
 * A file belongs to the first group that holds it. Of a simulation's time three fifths are waiting, of other files'
 * three quarters, so two cores have room for four files, of which three are simulations, as long as there are any.
 */
export const TEST_GROUPS: readonly TestGroup[] = [
  // A cluster must be up: npm run test:cluster brings one.
  {
    ...group("cluster", 1, /^test\/cluster\/suite\//),
    timeoutMs: 900_000,
    // The longest, an outage of 60 s with all that comes back afterwards, takes some two minutes.
    testTimeoutMs: 300_000,
    onDemand: true,
    ownMachine: false,
  },
  group("sim", 3, /^test\/sim\/|\.sim\.test\.ts$/),
  group("netns", 2, /^test\/(?:netns|bpf)\/|\.netns\.test\.ts$|^agent\/redirect\/.*netns/),
  group("process", 2, /^test\/process\/|\.process\.test\.ts$/),
  group("contract", 2, /^test\/contract\//),
  group("conformance", 2, /^test\/conformance\//),
  // It fills both cores.
  group("conversations", 1, /^test\/conversations\//),
  group("loader", 2, /^bpf\//),
  group("unit", 4, /./),
];

function group(name: string, concurrency: number, pattern: RegExp): TestGroup {
  const holds = (path: string): boolean => pattern.test(path);
  return {
    ...{ name, concurrency, holds },
    timeoutMs: FILE_TIMEOUT_MS,
    onDemand: false,
    ownMachine: true,
  };
}

/** The group of a test file. */
export function groupOf(path: string): TestGroup {
  const found = TEST_GROUPS.find((candidate) => candidate.holds(path));
  if (found === undefined) throw new Error(`no group holds ${path}`);
  return found;
}

/**
 * Chooses the files that the words of a command line name: group names, files, folders; no word = all that need no
 * more than this machine. So does a folder that holds more than files on demand.
 * Throws on a word that names nothing, so that a typing error never passes for success.
 */
export function choose(files: readonly string[], words: readonly string[]): readonly string[] {
  if (words.length === 0) return files.filter((file) => !groupOf(file).onDemand);
  const chosen = words.flatMap((word) => {
    const clean = word.replace(/^\.\//, "").replace(/\/$/, "");
    const named = files.filter(
      (file) => groupOf(file).name === clean || file === clean || file.startsWith(`${clean}/`),
    );
    if (named.length === 0) throw new Error(`"${word}" names no test file, folder or group`);
    const always = named.filter((file) => !groupOf(file).onDemand);
    return always.length > 0 ? always : named;
  });
  return [...new Set(chosen)].sort();
}
