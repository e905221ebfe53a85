/**
 * bench/against compares this checkout's agent with an older commit's. Each is run by the simulator of its own checkout,
 * driven by the verbs that a user types, since nothing else is the same in both; pods, backends and load are this
 * checkout's for both. May import the bench's own parts. Must never import code of the old commit: it runs as a program.
 *
 * This file: one of the two, as a contestant of the rounds.
 */
import { z } from "zod";
import { runProgram, startService, until } from "../harness/process.ts";
import type { RunningPeer } from "../peers/peer.ts";
import { ownProgram } from "./checkout.ts";

/** What is read of `sim status -o json`: it has been so since the first release of the simulator. */
const STATUS = z.object({
  awaiting: z.string(),
  agents: z.array(
    z.object({
      node: z.string(),
      process: z.object({ kind: z.string(), pid: z.number().optional() }),
    }),
  ),
  services: z.array(z.object({ name: z.string(), clusterIPs: z.array(z.string()) })),
});

type Status = z.infer<typeof STATUS>;

const UP_TIMEOUT_MS = 90_000;
const RESTART_TIMEOUT_MS = 30_000;
const VERB_TIMEOUT_MS = 30_000;

/** Where a side comes from and what its simulation is called. */
export interface SideOptions {
  readonly root: string;
  readonly simulation: string;
  /** File with the manifests of bench/stage/manifests.ts. */
  readonly manifest: string;
}

/** Starts a simulation of the checkout; takes down first what a crashed run left. Rejects with what its `sim` said. */
export async function startSide(options: SideOptions): Promise<RunningPeer> {
  const verbs = new Verbs(options);
  await using cleaner = new AsyncDisposableStack();
  cleaner.defer(() => verbs.down());
  await verbs.down();
  // Twice: what V8 compiled is kept when a process ends, and both sides should find it.
  await verbs.up();
  await verbs.down();
  await verbs.up();
  const status = await verbs.status();
  let pids = pidsOf(status);
  const inPod = (argv: readonly string[]): readonly string[] =>
    verbs.words(["exec", "meshed", "--", ...argv]);
  const kept = cleaner.move();
  return {
    http: addressOf(status, "backend"),
    tcp: addressOf(status, "opaque"),
    pids: async () => pids,
    renew: async () => {
      pids = await renewed(verbs, pids);
    },
    stage: {
      run: (argv, timeoutMs) => runProgram(inPod(argv), { timeoutMs }),
      client: (argv) => startService(inPod(argv)),
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The simulator of one checkout. */
class Verbs {
  readonly #options: SideOptions;

  constructor(options: SideOptions) {
    this.#options = options;
  }

  /** The command of a verb. */
  words(words: readonly string[]): readonly string[] {
    const { root, simulation } = this.#options;
    return ownProgram(root, ["sim", "--name", simulation, ...words]);
  }

  async up(): Promise<void> {
    const flags = ["--nodes", "1", "--detach", "--timeout", "60"];
    await this.ask(["up", "-f", this.#options.manifest, ...flags], UP_TIMEOUT_MS);
  }

  async down(): Promise<void> {
    await this.ask(["down"], UP_TIMEOUT_MS);
  }

  async status(): Promise<Status> {
    const said = await this.ask(["status", "-o", "json"]);
    return STATUS.parse(JSON.parse(said));
  }

  async ask(words: readonly string[], timeoutMs = VERB_TIMEOUT_MS): Promise<string> {
    const done = await runProgram(this.words(words), { timeoutMs });
    if (done.code !== 0)
      throw new Error(
        `sim ${words[0]} of ${this.#options.root} failed: ${done.stdout}${done.stderr}`,
      );
    return done.stdout;
  }
}

/** Ends the agent and waits until its successor, which has carried nothing yet, is ready. */
async function renewed(verbs: Verbs, old: readonly number[]): Promise<readonly number[]> {
  const { agents } = await verbs.status();
  for (const { node } of agents) await verbs.ask(["kill", `agent/${node}`]);
  let pids = old;
  await until(
    () => "fresh agent",
    RESTART_TIMEOUT_MS,
    async () => {
      const now = await verbs.status();
      pids = pidsOf(now);
      return (
        now.awaiting === "" && pids.length === old.length && !pids.some((pid) => old.includes(pid))
      );
    },
  );
  return pids;
}

function pidsOf({ agents }: Status): readonly number[] {
  return agents.flatMap(({ process: { kind, pid } }) =>
    kind === "running" && pid !== undefined ? [pid] : [],
  );
}

function addressOf({ services }: Status, wanted: string): string {
  const [address] = services.find(({ name }) => name === wanted)?.clusterIPs ?? [];
  if (address === undefined) throw new Error(`the simulation has no Service ${wanted}`);
  return `${address}:80`;
}
