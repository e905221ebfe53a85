/** What there is of a cluster, as a value and as text. */

import { existsSync } from "node:fs";
import { Api } from "./api.ts";
import { componentsOf, logFile, pidOf } from "./components.ts";
import { livingKeeper } from "./control/network.ts";
import { initOf } from "./node/node.ts";
import { nodePlans, outsideLink } from "./plan.ts";
import { type ClusterPaths, readSpec } from "./spec.ts";

/** What `status` says. */
export interface ClusterStatus {
  readonly name: string;
  readonly state: "up" | "half up" | "stopped";
  readonly api: "ready" | "away";
  readonly kubeconfig: string;
  readonly auditLog: string | undefined;
  readonly logs: string;
  readonly proxyMode: string;
  readonly dualStack: boolean;
  readonly chained: boolean;
  /** Address of the API server in the machine's main network namespace. */
  readonly address: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly address: string;
    readonly pods: string;
    /** Process 1, as the machine counts; undefined when the node has no power. */
    readonly init: number | undefined;
  }[];
  readonly programs: readonly {
    readonly program: string;
    readonly node: string | undefined;
    readonly pid: number | undefined;
    readonly log: string;
  }[];
}

/** Looks at a cluster; throws when there is none of that name. */
export async function statusOf(paths: ClusterPaths): Promise<ClusterStatus> {
  const spec = readSpec(paths);
  const alive = livingKeeper(paths) !== undefined;
  const whole = alive && existsSync(paths.ready);
  using api = alive && existsSync(paths.kubeconfig) ? new Api(paths, spec) : undefined;
  return {
    name: paths.name,
    state: whole ? "up" : alive ? "half up" : "stopped",
    api: (await api?.answers("/readyz")) === true ? "ready" : "away",
    kubeconfig: paths.kubeconfig,
    auditLog: spec.audit ? paths.auditLog : undefined,
    logs: paths.logs,
    proxyMode: spec.proxyMode,
    dualStack: spec.dualStack,
    chained: spec.chained,
    address: outsideLink(spec.slot).cluster,
    nodes: nodePlans(spec.nodes).map(({ name, address, pods }) => ({
      name,
      address: address.v4,
      pods: pods.v4,
      init: initOf(paths, name),
    })),
    programs: componentsOf(spec).map((component) => ({
      program: component.program,
      node: component.node,
      pid: pidOf(paths, component),
      log: logFile(paths, component),
    })),
  };
}

/** The same for people. */
export function statusText(status: ClusterStatus): string {
  const lines = [
    `cluster ${status.name}: ${status.state}, API server ${status.api}, kube-proxy ${status.proxyMode}`,
    `kubeconfig ${status.kubeconfig}`,
    ...(status.auditLog === undefined ? [] : [`audit log ${status.auditLog}`]),
    ...status.nodes.map(
      ({ name, address, pods, init }) =>
        `${name} ${address} pods ${pods} ${init === undefined ? "has no power" : `process 1 is ${init}`}`,
    ),
    ...status.programs.map(
      ({ program, node, pid, log }) =>
        `${(node ?? "").padEnd(6)} ${program.padEnd(24)} ${pid === undefined ? "does not run" : `process ${pid}`.padEnd(16)} ${log}`,
    ),
  ];
  return lines.join("\n");
}
