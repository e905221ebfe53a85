/** `npm run bench -- --against COMMIT`: an old and the new agent in the same interleaved rounds. */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { runRounds } from "../harness/rounds.ts";
import { writeBackend } from "../stage/backend.ts";
import { manifests } from "../stage/manifests.ts";
import { checkOut, HERE, install, ownName } from "./checkout.ts";
import { LOADS, WARM_UP } from "./loads.ts";
import { LIMIT, NEW, OLD, ROUNDS_TO_JUDGE, ratiosOf, ratioTable } from "./ratios.ts";
import { startSide } from "./side.ts";

/** A core has this little to do before the bench when nobody else is here. */
const QUIET_LOAD_PER_CORE = 0.25;

/** How to compare. */
export interface AgainstOptions {
  /** Anything that git takes for a commit. */
  readonly commit: string;
  readonly rounds: number;
  readonly seconds: number;
  /** Only loads whose name holds this; empty = all. */
  readonly only: string;
  /** The simulations are called NAME-old and NAME-new. */
  readonly name: string;
  /** A temporary folder; the old checkout goes there. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** Runs the comparison and returns its table, and whether nothing failed and nothing was missed. */
export async function runAgainst(
  options: AgainstOptions,
): Promise<{ readonly table: string; readonly good: boolean }> {
  const { folder, name, say } = options;
  const workloads = LOADS.filter(
    (load) => load.name === WARM_UP || load.name.includes(options.only),
  );
  warnOfNeighbours(say);
  await using cleaner = new AsyncDisposableStack();
  say(`checking out ${options.commit} and installing what it needs`);
  const old = cleaner.use(await checkOut(options.commit, join(folder, "checkout")));
  await install(old.root);
  const manifest = join(folder, "manifest.json");
  const backend = join(folder, "backend");
  mkdirSync(backend);
  writeFileSync(manifest, manifests(writeBackend(backend, "/run/nginx.pid")));
  const start = async (side: string, root: string) => {
    say(`starting ${side}`);
    const peer = await startSide({ root, simulation: `${name}-${side}`, manifest });
    return { name: side, peer: cleaner.use(peer) };
  };
  const contestants = [await start(OLD, old.root), await start(NEW, HERE)];
  const { rounds, seconds } = options;
  const found = await runRounds(contestants, { rounds, seconds, workloads, yardstick: OLD, say });
  const ratios = ratiosOf(found);
  const missed = ratios.some(({ verdict }) => verdict === "missed");
  const table = [
    `${await ownName()} (new) against ${old.commit.slice(0, 12)} (old): ${rounds} rounds of ${seconds} s.`,
    ratioTable(ratios),
    rounds < ROUNDS_TO_JUDGE
      ? `${ROUNDS_TO_JUDGE} rounds are needed to judge: with fewer chance decides.`
      : `Missed: the ratio of a cost is above ${LIMIT} in every round. POSTs are shown and not judged.`,
    ...found.failures.map((failure) => `- **failed**: ${failure}`),
  ].join("\n\n");
  return { table, good: found.failures.length === 0 && !missed };
}

function warnOfNeighbours(say: (line: string) => void): void {
  const [lastMinute = 0] = loadavg();
  if (lastMinute > availableParallelism() * QUIET_LOAD_PER_CORE)
    say(`the machine is busy (load ${lastMinute.toFixed(1)}): the ratios will mean little`);
}
