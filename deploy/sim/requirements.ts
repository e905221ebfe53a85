/** What the simulator needs of the machine, checked before anything is made. */

import { existsSync } from "node:fs";
import { release } from "node:os";
import { cgroupRoot } from "./paths.ts";

/** Programs of util-linux, mount and hostname, which every Debian has. */
const PROGRAMS = ["nsenter", "unshare", "mount", "hostname", "sleep"] as const;
const DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"] as const;

/** Throws an Error that lists all that is missing, each with a next step. */
export function checkRequirements(): void {
  const missing = [...root(), ...kernel(), ...cgroups(), ...programs()];
  if (missing.length > 0)
    throw new Error(
      `the simulator can't run here:\n${missing.map((line) => `  - ${line}`).join("\n")}`,
    );
}

function root(): readonly string[] {
  return process.getuid?.() === 0 ? [] : ["it needs root: run it with sudo"];
}

function kernel(): readonly string[] {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  const new_enough = major > 5 || (major === 5 && minor >= 10);
  return new_enough ? [] : [`it needs Linux 5.10 or newer; this is ${release()}`];
}

function cgroups(): readonly string[] {
  try {
    cgroupRoot();
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

function programs(): readonly string[] {
  return PROGRAMS.filter((name) => !DIRECTORIES.some((dir) => existsSync(`${dir}/${name}`))).map(
    (name) => `it needs the program ${name}: apt-get install util-linux mount hostname coreutils`,
  );
}
