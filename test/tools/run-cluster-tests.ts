/**
 * `npm run test:cluster [-- [--keep] [FILE|FOLDER…]]`: brings real Kubernetes clusters up, one of each kind that the
 * suite knows, runs the tests of its folder in it, and takes it down. Fails on any failure, any skip and anything
 * left behind, and keeps a failed cluster's logs. `--keep` leaves the last cluster up for a look, and looks for nothing left behind. SIGINT, SIGTERM and
 * SIGHUP end the tests and take the cluster down. One run at a time: it holds the cluster's lock.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBinaries } from "../cluster/build/binaries.ts";
import { down } from "../cluster/down.ts";
import { TEST_CLUSTER } from "../cluster/harness/cluster.ts";
import { takeLock } from "../cluster/lock.ts";
import { saveLogs } from "../cluster/logs.ts";
import { checkRoot } from "../cluster/requirements.ts";
import { clusterPaths } from "../cluster/spec.ts";
import { clusterTraces, RUN_MARK } from "../cluster/traces.ts";
import { type UpOptions, up } from "../cluster/up.ts";
import { leftIn } from "../support/machine-state.ts";
import { listFiles, ROOT } from "../support/source-files.ts";
import { runKind } from "./cluster-kind.ts";
import { ensurePackages } from "./debian-packages.ts";
import { type GroupResult, runFiles } from "./group-run.ts";
import { reportRun } from "./run-report.ts";
import { choose, groupOf, TEST_GROUPS } from "./test-groups.ts";

const BUDGET_SECONDS = 900;
/** The kernel frees a node's namespaces, links and BPF objects some time after its last process. */
const FREED_MS = 30_000;

const PLAIN: UpOptions = {
  nodes: 2,
  proxyMode: "nftables",
  dualStack: false,
  chained: false,
  audit: true,
  images: true,
  load: [],
};

/** The kinds of clusters, by folder of test/cluster/suite. */
const CLUSTERS: Readonly<Record<string, UpOptions>> = {
  ipv4: PLAIN,
  "dual-stack": { ...PLAIN, dualStack: true, proxyMode: "iptables", chained: true },
};

/**
 * Files of a kind's folder of this name need no mesh, ask the API or a program, and keep to namespaces of their own: they
 * run at the same time, before the others.
 */
const TOGETHER = "api/";
/** Half of them waits. */
const TOGETHER_CONCURRENCY = 3;

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => {
    say(`${name}: taking the cluster down`);
    stop.abort(new Error(`ended by ${name}`));
  });
// The terminal may be gone, which must not keep us from that.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const words = process.argv.slice(2);
const keep = words.includes("--keep");
const named = words.filter((word) => !word.startsWith("--"));
const started = performance.now();
const files = choose(
  (await listFiles()).filter((path) => path.endsWith(".test.ts")),
  named.length === 0 ? ["cluster"] : named,
).filter((path) => groupOf(path).name === "cluster");
checkRoot();
const paths = clusterPaths(TEST_CLUSTER);
using _lock = await takeLock(paths.name);
ensurePackages("cluster", say);
// All that is to be built, before the first cluster: it is not the tests' time.
await ensureBinaries(["kubernetes", "coredns", "helm", "adapter", "prometheus"], say, stop.signal);
await down(paths); // what a run that was cut short has left

const kept = join(tmpdir(), "nodemesh-cluster-logs-");
const mark = randomUUID();
const scratch = mkdtempSync(join(tmpdir(), "nodemesh-cluster-test-"));
process.env[RUN_MARK] = mark;
process.env["TMPDIR"] = scratch;
const traces = () => clusterTraces(paths, mark);
const before = traces();

const results: GroupResult[] = [];
for (const [folder, options] of Object.entries(CLUSTERS)) {
  const own = files.filter((file) => file.startsWith(`test/cluster/suite/${folder}/`));
  if (own.length > 0 && !stop.signal.aborted) results.push(await runIn(folder, options, own));
}
rmSync(scratch, { recursive: true, force: true });
const ended = stop.signal.aborted;
const leaks = keep && !ended ? [] : await leftIn(before, traces, FREED_MS);
const seconds = (performance.now() - started) / 1000;
const outcome = { results, leaks, seconds, budgetSeconds: BUDGET_SECONDS };
process.exitCode = reportRun(outcome, say) && !ended ? 0 : 1;

async function runIn(
  folder: string,
  options: UpOptions,
  own: readonly string[],
): Promise<GroupResult> {
  const group = TEST_GROUPS.find(({ name }) => name === "cluster");
  if (group === undefined) throw new Error("test-groups.ts knows no group cluster");
  const { signal } = stop;
  say(`a cluster of the kind ${folder}`);
  return runKind({
    name: folder,
    files: own.length,
    up: async () => {
      await down(paths); // one of another kind that was kept
      await up(paths, options, say, signal);
    },
    test: async () => {
      const together = own.filter((file) =>
        file.startsWith(`test/cluster/suite/${folder}/${TOGETHER}`),
      );
      const alone = own.filter((file) => !together.includes(file));
      const parts: GroupResult[] = [];
      for (const [part, concurrency] of [
        [together, TOGETHER_CONCURRENCY],
        [alone, group.concurrency],
      ] as const)
        if (part.length > 0) {
          const those = { ...group, concurrency };
          const grouped = part.map((file) => ({ file: join(ROOT, file), group: those }));
          parts.push(...(await runFiles(grouped, { concurrency, scratch, say, signal })));
        }
      return joined(parts);
    },
    save: async () => {
      const home = mkdtempSync(`${kept}${folder}-`);
      saveLogs(paths, home);
      say(`the logs of its programs and containers are kept in ${home}`);
    },
    down: async () => {
      if (!keep || signal.aborted) await down(paths);
    },
    say,
  });
}

/** The results of a kind's parts as one; runKind knows its name and time. */
function joined(parts: readonly GroupResult[]): GroupResult {
  return {
    name: "",
    files: parts.reduce((sum, { files }) => sum + files, 0),
    seconds: 0,
    passed: parts.reduce((sum, { passed }) => sum + passed, 0),
    failures: parts.flatMap(({ failures }) => failures),
    announced: parts.flatMap(({ announced }) => announced),
    slowest: parts.flatMap(({ slowest }) => slowest),
  };
}

function say(line: string): void {
  console.log(line.replaceAll(`${ROOT}/`, ""));
}
