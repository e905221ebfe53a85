/** The programs of a cluster by name: started, stopped, killed, looked at. One that is killed stays dead. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processesOf } from "../../deploy/sim/cgroups.ts";
import { isAlive } from "../support/is-alive.ts";
import { until } from "../support/until.ts";
import {
  CONTROL_COMPONENTS,
  type ControlComponent,
  controlCommand,
  controlFiles,
} from "./control/commands.ts";
import { controlCgroup, keeperOf } from "./control/network.ts";
import {
  componentCgroup,
  NODE_COMPONENTS,
  type NodeComponent,
  startComponent,
} from "./node/node.ts";
import { nodePlans } from "./plan.ts";
import { inCgroups, processNamed, startDetached } from "./processes.ts";
import type { ClusterPaths, ClusterSpec } from "./spec.ts";

const STOP_DEADLINE_MS = 20_000;

/** One program: of the control plane, or of a node. */
export type Component =
  | { readonly program: ControlComponent; readonly node: undefined }
  | { readonly program: NodeComponent; readonly node: string };

/** Reads a program's name and, for a node's program, the node (`node1` or `1`). Throws with what there is. */
export function componentOf(
  spec: ClusterSpec,
  program: string,
  node: string | undefined,
): Component {
  const control = CONTROL_COMPONENTS.find((name) => name === program);
  if (control !== undefined && node === undefined) return { program: control, node };
  const onNode = NODE_COMPONENTS.find((name) => name === program);
  if (onNode !== undefined && node !== undefined)
    return { program: onNode, node: nodeNamed(spec, node) };
  if (control !== undefined)
    throw new Error(`${program} runs beside the nodes: leave "${node}" out`);
  if (onNode !== undefined)
    throw new Error(`${program} runs on each node: say which (${program} node1)`);
  throw new Error(
    `there is no component "${program}": ${CONTROL_COMPONENTS.join(", ")}; on a node: ${NODE_COMPONENTS.join(", ")}`,
  );
}

/** A node's name from `node1` or `1`; throws with the names that there are. */
export function nodeNamed(spec: ClusterSpec, word: string): string {
  const names = nodePlans(spec.nodes).map(({ name }) => name);
  const found = names.find((name) => name === word || name === `node${word}`);
  if (found === undefined) throw new Error(`there is no node "${word}": ${names.join(", ")}`);
  return found;
}

/** All programs of a cluster. */
export function componentsOf(spec: ClusterSpec): readonly Component[] {
  return [
    ...CONTROL_COMPONENTS.map((program): Component => ({ program, node: undefined })),
    ...nodePlans(spec.nodes).flatMap(({ name: node }) =>
      NODE_COMPONENTS.map((program): Component => ({ program, node })),
    ),
  ];
}

/** The process of a program; undefined when it does not run. */
export function pidOf(paths: ClusterPaths, { program, node }: Component): number | undefined {
  const cgroup =
    node === undefined ? controlCgroup(paths, program) : componentCgroup(paths, node, program);
  return processNamed(program, processesOf(cgroup));
}

/** Starts a program; throws when it runs already. */
export function start(paths: ClusterPaths, spec: ClusterSpec, component: Component): void {
  const pid = pidOf(paths, component);
  if (pid !== undefined) throw new Error(`${component.program} runs already (process ${pid})`);
  if (component.node === undefined) {
    startControl(paths, spec, component.program);
    return;
  }
  const plan = nodePlans(spec.nodes).find(({ name }) => name === component.node);
  if (plan !== undefined) startComponent(paths, spec, plan, component.program);
}

function startControl(paths: ClusterPaths, spec: ClusterSpec, program: ControlComponent): void {
  const cgroup = controlCgroup(paths, program);
  mkdirSync(cgroup, { recursive: true });
  mkdirSync(paths.config, { recursive: true });
  for (const [name, text] of Object.entries(controlFiles(paths)))
    writeFileSync(join(paths.config, name), text);
  const enter = ["nsenter", "-t", String(keeperOf(paths)), "-n"];
  const command = [...enter, ...controlCommand(program, paths, spec)];
  startDetached(inCgroups([cgroup], command), logFile(paths, { program, node: undefined }));
}

/** Ends a program with a signal and waits until it is gone; throws when it does not run. */
export async function end(
  paths: ClusterPaths,
  component: Component,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  const pid = pidOf(paths, component);
  if (pid === undefined) throw new Error(`${component.program} does not run`);
  process.kill(pid, signal);
  await until(`${component.program} ends`, () => !isAlive(pid), STOP_DEADLINE_MS);
}

/** The log of a program. */
export function logFile({ logs }: ClusterPaths, { program, node }: Component): string {
  return join(logs, node === undefined ? `${program}.log` : `${node}-${program}.log`);
}
