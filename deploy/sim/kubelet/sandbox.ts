/**
 * A pod's sandbox: one process that does nothing but hold the pod's mount and host-name namespaces, so that
 * containers and `sim exec` can enter them. Uses util-linux (`nsenter`, `unshare`, `mount`), which every
 * Debian has, because a process of several threads such as Node can't change its own mount namespace.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** What a sandbox is made of. */
export interface SandboxSpec {
  /** The pod's cgroup; its processes live below. */
  readonly cgroup: string;
  /** File of the pod's network namespace. */
  readonly netns: string;
  readonly hostname: string;
  /** Contents of the pod's /etc/resolv.conf and /etc/hosts. */
  readonly resolvConf: string;
  readonly hosts: string;
}

/** A running sandbox. */
export interface Sandbox {
  /** The process whose namespaces are the pod's. */
  readonly pid: number;
  /** Ends the holder. */
  close(): void;
}

/**
 * Runs inside the new namespaces. The pod gets a /run of its own (pid files, sockets), and its own
 * resolv.conf and hosts over the machine's; a resolv.conf that is a link into /run gets a target there.
 */
const SET_UP = `
set -e
hostname "$SANDBOX_HOSTNAME"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/pod /run/lock
printf %s "$SANDBOX_RESOLV" > /run/pod/resolv.conf
printf %s "$SANDBOX_HOSTS" > /run/pod/hosts
resolv=$(readlink -m /etc/resolv.conf)
case $resolv in /run/*) mkdir -p "$(dirname "$resolv")"; : > "$resolv" ;; esac
mount --bind /run/pod/resolv.conf "$resolv"
mount --bind /run/pod/hosts /etc/hosts
echo ready
exec sleep infinity
`;

const ENTER =
  'echo 0 > "$0/cgroup.procs" && exec nsenter --net="$1" unshare --mount --uts --propagation slave sh -c "$2"';

/** Starts a sandbox and waits until its namespaces are set up. Throws with what the tools said. */
export async function openSandbox(spec: SandboxSpec): Promise<Sandbox> {
  const child = spawn("/bin/sh", ["-c", ENTER, spec.cgroup, spec.netns, SET_UP], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: DEFAULT_PATH,
      SANDBOX_HOSTNAME: spec.hostname,
      SANDBOX_RESOLV: spec.resolvConf,
      SANDBOX_HOSTS: spec.hosts,
    },
  });
  const pid = await readiness(child);
  return { pid, close: () => child.kill("SIGKILL") };
}

/** PATH of every container that sets none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where a process is to run. */
export interface InSandbox {
  readonly pid: number;
  readonly cgroup: string;
  readonly workingDir: string;
}

/** $0 cgroup, $1 holder, $2 working directory, then the command. */
const RUN =
  'echo 0 > "$0/cgroup.procs" || exit 125; p=$1; w=$2; shift 2; exec nsenter --target "$p" --mount --uts --net --wdns="$w" -- "$@"';

/** The command that runs `command` in a sandbox: enters cgroup and namespaces, then becomes it. */
export function sandboxed(where: InSandbox, command: readonly string[]): readonly string[] {
  return ["/bin/sh", "-c", RUN, where.cgroup, String(where.pid), where.workingDir, ...command];
}

async function readiness(child: ChildProcess): Promise<number> {
  let said = "";
  child.stderr?.on("data", (text: Buffer) => {
    said += text.toString();
  });
  const ready = once(child.stdout ?? child, "data").then(() => true);
  const ended = once(child, "exit").then(() => false);
  if (!(await Promise.race([ready, ended])) || child.pid === undefined)
    throw new Error(`could not set up the pod's namespaces: ${said.trim() || "no reason given"}`);
  return child.pid;
}
