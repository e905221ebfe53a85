import { readFileSync } from "node:fs";

let known: number | undefined;

/** Number of possible CPUs: how many values each key of a per-CPU map has. */
export function possibleCpus(): number {
  known ??= countCpus(readFileSync("/sys/devices/system/cpu/possible", "utf8"));
  return known;
}

/** Counts a list such as `0-3,8`: the highest number plus one, as the kernel sizes its arrays. */
export function countCpus(list: string): number {
  return Math.max(...list.trim().split(/[,-]/).map(Number)) + 1;
}
