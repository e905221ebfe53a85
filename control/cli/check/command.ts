/** `nodemesh check`: whether the cluster suits the mesh, and whether the installed mesh is well. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import { ClusterApi } from "../cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
  formatted,
  outputOption,
} from "../context.ts";
import { anyFailed, describeFindings, type Finding } from "./finding.ts";
import { isComingUp, postFindings } from "./post.ts";
import { gatherPostFacts } from "./post-facts.ts";
import { preFindings } from "./pre.ts";
import { gatherPreFacts } from "./pre-facts.ts";

interface CheckOptions extends ClusterOptions {
  readonly pre?: boolean;
  readonly namespace: string;
  readonly output: string;
  /** Seconds. */
  readonly wait: number;
}

/** What one look at the cluster told. */
interface Look {
  readonly findings: readonly Finding[];
  /** What fails may come right by itself. */
  readonly comingUp: boolean;
}

const WAIT_S = 60;
const LOOK_AGAIN_MS = 1000;

/** Adds the command. */
export function addCheck(program: Command, context: CliContext): void {
  const command = program
    .command("check")
    .description(
      "check the cluster before (--pre) or the mesh after installation; exit code 1 when a line fails",
    )
    .option("--pre", "before installation: API server, permissions, nodes, clocks, network")
    .option("-n, --namespace <name>", "namespace of nodemesh", "nodemesh")
    .option(
      "--wait <seconds>",
      "look again for so long while lines fail and the mesh was installed or updated, or a node booted, as lately; 0: look once",
      wholeSeconds,
      WAIT_S,
    )
    .addOption(outputOption());
  addClusterOptions(command).action(async (options: CheckOptions) => {
    await using api = new ClusterApi(chooseKubeConfig(options, context));
    const findings = await checked(api, options, context);
    const { output } = options;
    context.out(
      formatted({ findings }, output) ?? describeFindings(findings, context.paint).join("\n"),
    );
    if (anyFailed(findings)) context.fail();
  });
}

/** What the last look found: the first one that needs no other, or the one at the end of the time to wait. */
async function checked(
  api: ClusterApi,
  options: CheckOptions,
  context: CliContext,
): Promise<readonly Finding[]> {
  const deadline = performance.now() + options.wait * 1000;
  for (let looks = 0; ; looks++) {
    const { findings, comingUp } = await look(api, options, context);
    if (!comingUp || !anyFailed(findings) || performance.now() >= deadline) return findings;
    if (looks === 0 && options.output === "table")
      context.out(`the mesh is coming up: waiting for it up to ${options.wait} s (see --wait)`);
    await sleep(LOOK_AGAIN_MS);
  }
}

async function look(
  api: ClusterApi,
  { pre, namespace, wait }: CheckOptions,
  { now }: CliContext,
): Promise<Look> {
  const before = await gatherPreFacts(api, namespace, now);
  if (pre === true || before.version.kind !== "ok")
    return { findings: preFindings(before), comingUp: false };
  const facts = await gatherPostFacts(api, namespace, now);
  const comingUp = isComingUp(facts, before, wait * 1000);
  return { findings: postFindings(facts, before), comingUp };
}

function wholeSeconds(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError("must be whole seconds, 0 to 9999");
  return Number(text);
}
