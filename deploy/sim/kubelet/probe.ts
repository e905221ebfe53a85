/**
 * Probes: is a container well? HTTP and TCP are asked from the node's network namespace, as a kubelet asks, so
 * they go the way of every connection from outside: into an enrolled pod through its agent. Commands run
 * inside the pod. With a dead agent `mesh/fail` holds for them too: open = the application answers; closed =
 * refused, so the pod, which nobody can reach, is not ready (and a liveness probe restarts it).
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import type { Container, Probe } from "../../../control/k8s/api/pod.ts";
import type { PortOrName } from "../../../control/k8s/api/schema.ts";
import { connectInNetns } from "../net/connect.ts";
import { type InSandbox, sandboxed } from "./sandbox.ts";

/** Whom to ask. */
export interface ProbeTarget {
  readonly container: Container;
  readonly podIp: string;
  /** File of the node's network namespace. */
  readonly nodeNetns: string;
  readonly sandbox: InSandbox;
  readonly env: Readonly<Record<string, string>>;
}

/** The probe of a container that has none: its first TCP port accepts connections; asked often, because it is cheap. */
export function defaultReadiness(container: Container): Probe | undefined {
  const port = container.ports.find((one) => one.protocol === "TCP")?.containerPort;
  if (port === undefined) return undefined;
  return {
    tcpSocket: { port },
    initialDelaySeconds: 0,
    periodSeconds: 2,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
  };
}

/** Asks once. Never throws: what can't be asked is not well. */
export async function askProbe(probe: Probe, target: ProbeTarget): Promise<boolean> {
  const deadline = AbortSignal.timeout(Math.max(1, probe.timeoutSeconds) * 1_000);
  try {
    if (probe.httpGet) return await askHttp(probe.httpGet, target, deadline);
    if (probe.tcpSocket) return await askTcp(probe.tcpSocket.port, target, deadline);
    if (probe.exec) return await askCommand(probe.exec.command, target, deadline);
    return true;
  } catch {
    return false;
  }
}

async function askHttp(
  get: { readonly path: string; readonly port: PortOrName },
  target: ProbeTarget,
  deadline: AbortSignal,
): Promise<boolean> {
  const socket = connectFromNode(target, get.port);
  try {
    const asked = request({
      createConnection: () => socket,
      path: get.path,
      headers: { host: target.podIp, "user-agent": "kube-probe/sim", connection: "close" },
      signal: deadline,
    });
    asked.end();
    const [answer] = await once(asked, "response", { signal: deadline });
    return answer.statusCode >= 200 && answer.statusCode < 400;
  } finally {
    socket.destroy();
  }
}

async function askTcp(
  port: PortOrName,
  target: ProbeTarget,
  deadline: AbortSignal,
): Promise<boolean> {
  const socket = connectFromNode(target, port);
  try {
    await once(socket, "connect", { signal: deadline });
    return true;
  } finally {
    socket.destroy();
  }
}

async function askCommand(
  command: readonly string[],
  target: ProbeTarget,
  deadline: AbortSignal,
): Promise<boolean> {
  const child = spawnInSandbox(target, command);
  deadline.addEventListener("abort", () => child.kill("SIGKILL"));
  const [code] = await once(child, "exit");
  return code === 0;
}

/** Starts a command in the pod with the container's environment, its output thrown away. */
export function spawnInSandbox(
  target: Pick<ProbeTarget, "sandbox" | "env">,
  command: readonly string[],
): ChildProcess {
  const [program = "", ...args] = sandboxed(target.sandbox, command);
  return spawn(program, args, { stdio: "ignore", env: { ...target.env } });
}

function connectFromNode(target: ProbeTarget, port: PortOrName): Socket {
  const number = portNumber(port, target.container);
  return connectInNetns(target.nodeNetns, { host: target.podIp, port: number });
}

function portNumber(port: PortOrName, container: Container): number {
  if (typeof port === "number") return port;
  const named = container.ports.find((one) => one.name === port)?.containerPort;
  if (named === undefined)
    throw new Error(`container ${container.name} has no port named "${port}"`);
  return named;
}
