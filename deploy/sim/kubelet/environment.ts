/** What a container runs and with which environment: Kubernetes' rules for command, args, env and images. Pure. */

import { fileURLToPath } from "node:url";
import type { Container, EnvVar } from "../../../control/k8s/api/pod.ts";
import { DEFAULT_PATH } from "./sandbox.ts";

/** What fieldRef may name. */
export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly node: string;
  readonly nodeIp: string;
  readonly podIp: string;
  readonly podIps: readonly string[];
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A command with its environment. */
export interface Invocation {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
}

/** Images that are programs of the simulator, run by the Node this project pins. */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ["nodemesh/echo", "echo.ts"],
  ["nodemesh/sleep", "sleep.ts"],
]);

/**
 * How to start a container. Throws an Error that names the container when there is nothing to run:
 * images are not pulled, so one that is not built in needs a command.
 */
export function invocation(container: Container, pod: PodFacts): Invocation {
  const env = environment(container.env, pod);
  const { problem, entry } = commandOf(container);
  if (problem !== undefined) throw new Error(problem);
  const command = [...entry, ...container.args].map((word) => expand(word, env));
  return { command, env, workingDir: container.workingDir ?? "/" };
}

/** What a container starts, before its args; with a problem that names the container when that is nothing. */
export function commandOf(container: Container): {
  readonly entry: readonly string[];
  readonly problem?: string;
} {
  if (container.command.length > 0) return { entry: container.command };
  const image = container.image.replace(/(?:@sha256:.*|:[\w.-]+)$/, "");
  const file = BUILT_IN.get(image);
  if (file !== undefined)
    return {
      entry: [process.execPath, fileURLToPath(new URL(`../builtin/${file}`, import.meta.url))],
    };
  const known = [...BUILT_IN.keys()].join(", ");
  return {
    entry: [],
    problem: `container ${container.name}: image "${container.image}" is not built into the simulator (${known} are) and the container has no command`,
  };
}

function environment(vars: readonly EnvVar[], pod: PodFacts): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH, HOME: "/root", HOSTNAME: pod.name };
  for (const one of vars) {
    const field = one.valueFrom?.fieldRef?.fieldPath;
    env[one.name] = field === undefined ? expand(one.value, env) : fieldOf(pod, field);
  }
  return env;
}

/** `$(NAME)` becomes the variable's value, `$$` a dollar sign; an unknown name stays as it is. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (all, name: string | undefined) =>
    name === undefined ? "$" : (env[name] ?? all),
  );
}

function fieldOf(pod: PodFacts, path: string): string {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed) return (keyed[1] === "labels" ? pod.labels : pod.annotations)[keyed[2] ?? ""] ?? "";
  const value = FIELDS[path]?.(pod);
  if (value === undefined) throw new Error(`env fieldRef ${path} is not a field of a pod`);
  return value;
}

const FIELDS: Readonly<Record<string, (pod: PodFacts) => string>> = {
  "metadata.name": (pod) => pod.name,
  "metadata.namespace": (pod) => pod.namespace,
  "metadata.uid": (pod) => pod.uid,
  "spec.nodeName": (pod) => pod.node,
  "spec.serviceAccountName": (pod) => pod.serviceAccount,
  "status.hostIP": (pod) => pod.nodeIp,
  "status.podIP": (pod) => pod.podIp,
  "status.podIPs": (pod) => pod.podIps.join(","),
};
