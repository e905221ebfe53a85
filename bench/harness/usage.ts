/**
 * What processes cost: CPU time and resident memory, read from /proc. CPU comes from schedstat (nanoseconds
 * on a core, user and kernel together), summed over all threads; a thread that ended meanwhile is not in it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Seconds that all threads of these processes have been on a core since they started. */
export function cpuSeconds(pids: readonly number[]): number {
  return schedstat(pids, 0);
}

function schedstat(pids: readonly number[], field: 0 | 1): number {
  let nanos = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      nanos += Number(
        readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[field],
      );
  }
  return nanos / 1e9;
}

/** Seconds that these threads were ready to run while another one had the core (schedstat's second figure). */
export function queuedSeconds(pids: readonly number[]): number {
  return schedstat(pids, 1);
}

/** Seconds that all cores of this machine were busy since boot (user, nice, system, irq, softirq; man 5 proc_stat). */
export function machineSeconds(): number {
  const [, ...ticks] = (readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "").split(/\s+/);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks.map(Number);
  return (user + nice + system + irq + softirq) / 100; // USER_HZ is 100 on every Linux
}

/** Resident bytes of these processes; memory they share is counted in each. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + residentOf(pid), 0);
}

function residentOf(pid: number): number {
  return statusBytes(pid, /^VmRSS:\s+(\d+) kB$/m);
}

/** The most that was ever resident of this process, since its start or since the last forgetPeak. */
export function peakResidentBytes(pid: number): number {
  return statusBytes(pid, /^VmHWM:\s+(\d+) kB$/m);
}

/** Peaks count from now on (man 5 proc_pid_clear_refs). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function statusBytes(pid: number, line: RegExp): number {
  const [, kilobytes = ""] = line.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

/** A process and all its living descendants. */
export function processTree(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" "),
  );
  const ids = children.map((text) => text.trim()).filter((text) => text !== "");
  return [pid, ...ids.flatMap((id) => processTree(Number(id)))];
}
