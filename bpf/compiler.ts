/** The pinned C compiler: found, or installed by Debian's apt-get when it is missing. */

import { execFileSync, spawnSync } from "node:child_process";

/** Major version of clang and LLVM; another one gives other bytes. */
const LLVM = 19;
const CLANG = `clang-${LLVM}`;
const STRIP = `llvm-strip-${LLVM}`;

/** The flags, each for a reason. */
const FLAGS: readonly string[] = [
  "-g", // type information (BTF); the debug sections themselves are stripped afterwards
  "-O2", // the only level whose output the kernel's verifier is used to
  "-mcpu=v3", // Linux 5.1 and later: 32-bit sub-registers, jumps that compare them
  "-target",
  "bpfel", // one object for all little-endian machines
  "-Wall",
  "-Wextra",
  "-Werror",
];

/** Makes sure that clang and llvm-strip of the pinned version can be run. Needs root when they are missing. */
export function ensureCompiler(): void {
  if (runs(CLANG) && runs(STRIP)) return;
  process.stderr.write(`installing ${CLANG} and llvm-${LLVM} with apt-get…\n`);
  apt("update", "-qq");
  apt("install", "-y", "-qq", CLANG, `llvm-${LLVM}`);
}

/** Compiles `source` (a name inside `folder`) to `target`. Throws with the compiler's words when it refuses. */
export function compileObject(folder: string, source: string, target: string): void {
  // Run inside the folder, and call the folder ".", so that no path of this machine gets into the object.
  const place = [`-ffile-prefix-map=${folder}=.`, "-c", source, "-o", target];
  execFileSync(CLANG, [...FLAGS, ...place], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  execFileSync(STRIP, ["-g", target]);
}

function apt(...args: string[]): void {
  execFileSync("apt-get", args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" },
  });
}

function runs(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}
