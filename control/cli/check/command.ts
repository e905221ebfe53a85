/** `nodemesh check`: whether the cluster suits the mesh, and whether the installed mesh is well. */

import type { Command } from "commander";
import { ClusterApi } from "../cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
  outputOption,
} from "../context.ts";
import { anyFailed, describeFindings, type Finding } from "./finding.ts";
import { postFindings } from "./post.ts";
import { gatherPostFacts } from "./post-facts.ts";
import { preFindings } from "./pre.ts";
import { gatherPreFacts } from "./pre-facts.ts";

interface CheckOptions extends ClusterOptions {
  readonly pre?: boolean;
  readonly namespace: string;
  readonly output: string;
}

/** Adds the command. */
export function addCheck(program: Command, context: CliContext): void {
  const command = program
    .command("check")
    .description(
      "check the cluster before (--pre) or the mesh after installation; exit code 1 when a line fails",
    )
    .option("--pre", "before installation: API server, permissions, nodes, clocks, network")
    .option("-n, --namespace <name>", "namespace of nodemesh", "nodemesh")
    .addOption(outputOption());
  addClusterOptions(command).action(async (options: CheckOptions) => {
    await using api = new ClusterApi(chooseKubeConfig(options, context));
    const findings = await check(api, options, context);
    if (options.output === "json") context.out(JSON.stringify({ findings }, null, 2));
    else for (const line of describeFindings(findings)) context.out(line);
    if (anyFailed(findings)) context.fail();
  });
}

async function check(
  api: ClusterApi,
  { pre, namespace }: CheckOptions,
  { now }: CliContext,
): Promise<readonly Finding[]> {
  const before = await gatherPreFacts(api, namespace, now);
  if (pre === true || before.version.kind !== "ok") return preFindings(before);
  return postFindings(await gatherPostFacts(api, namespace, now), before);
}
