import { readFileSync } from "node:fs";

/** Addresses of kernel symbols by name from /proc/kallsyms, only those asked for. Missing ones are not in the map. */
export function kernelSymbols(names: ReadonlySet<string>): Map<string, bigint> {
  const found = new Map<string, bigint>();
  for (const line of readFileSync("/proc/kallsyms", "latin1").split("\n")) {
    const name = line.slice(19).split("\t", 1)[0] ?? "";
    if (names.has(name) && !found.has(name)) found.set(name, BigInt(`0x${line.slice(0, 16)}`));
  }
  return found;
}
