/** `nodemesh version`: which version this command is of, and which run in the cluster. */

import type { Command } from "commander";
import { visibleLines } from "#model/visible.ts";
import { type Api, type ApiAnswer, ClusterApi, failureText, textField } from "./cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
  formatted,
  outputOption,
} from "./context.ts";
import { type MeshPod, meshPodsIfAllowed, tagOf } from "./mesh-facts.ts";

interface VersionOptions extends ClusterOptions {
  readonly client?: boolean;
  readonly namespace: string;
  readonly output: string;
}

/** What the command tells; also the shape of `-o json`. */
export interface VersionReport {
  /** Of this command. */
  readonly client: string;
  /** Absent: not asked for, or why it is not known is said apart. */
  readonly cluster?: ClusterVersions;
}

interface ClusterVersions {
  /** As the API server says it. */
  readonly kubernetes: string;
  /** By the tags or digests of the images of pods; undefined: the user may not list them. */
  readonly control: readonly Running[] | undefined;
  readonly agents: readonly Running[] | undefined;
}

/** A version, and how many pods run it. */
interface Running {
  readonly version: string;
  readonly pods: number;
}

/** Adds the command. `own`: this command's version. */
export function addVersion(program: Command, context: CliContext, own: string): void {
  const command = program
    .command("version")
    .description("the version of this command, of the mesh in the cluster, and of Kubernetes")
    .option("--client", "this command's alone: no cluster is asked")
    .option("-n, --namespace <name>", "namespace of nodemesh", "nodemesh")
    .addOption(outputOption());
  addClusterOptions(command).action(async (options: VersionOptions) => {
    const show = (report: VersionReport): void =>
      context.out(
        formatted(report, options.output) ??
          visibleLines(versionLines(report, options.namespace).join("\n")),
      );
    try {
      if (options.client === true) return show({ client: own });
      await using api = new ClusterApi(chooseKubeConfig(options, context));
      show({ client: own, cluster: await clusterVersions(api, options.namespace) });
    } catch (cause) {
      // What is known is told all the same, as kubectl does.
      show({ client: own });
      throw cause;
    }
  });
}

/** Asks the cluster. Rejects with an Error for the operator when it does not answer. */
export async function clusterVersions(api: Api, namespace: string): Promise<ClusterVersions> {
  const [server, control, agents] = await Promise.all([
    api.get("/version"),
    meshPodsIfAllowed(api, namespace, "control"),
    meshPodsIfAllowed(api, namespace, "agent"),
  ]);
  return {
    kubernetes: gitVersion(api, server),
    control: control && running(control),
    agents: agents && running(agents),
  };
}

function gitVersion(api: Api, answer: ApiAnswer): string {
  if (answer.kind !== "ok") throw new Error(failureText("GET /version", api, answer));
  return textField(answer.body, "gitVersion") || "unknown";
}

function running(pods: readonly MeshPod[]): readonly Running[] {
  const tags = pods.flatMap(({ images }) => images.map(tagOf));
  return Object.entries(Object.groupBy(tags, (tag) => tag))
    .map(([version, all = []]) => ({ version, pods: all.length }))
    .sort((a, b) => a.version.localeCompare(b.version));
}

/** How it is shown to people. Pure. */
export function versionLines(
  { client, cluster }: VersionReport,
  namespace: string,
): readonly string[] {
  if (cluster === undefined) return [`this command: ${client}`];
  const { kubernetes, control, agents } = cluster;
  return [
    `this command: ${client}`,
    `control:      ${runningText(control, namespace)}`,
    `agents:       ${runningText(agents, namespace)}`,
    `Kubernetes:   ${kubernetes}`,
  ];
}

function runningText(all: readonly Running[] | undefined, namespace: string): string {
  if (all === undefined) return `not known: you may not list pods in namespace ${namespace}`;
  if (all.length === 0) return `none in namespace ${namespace}`;
  return all
    .map(({ version, pods }) => `${version} (${pods} ${pods === 1 ? "pod" : "pods"})`)
    .join(", ");
}
