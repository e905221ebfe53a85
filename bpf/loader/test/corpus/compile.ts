import { execFile } from "node:child_process";
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import type { Workshop } from "./tools.ts";

const run = promisify(execFile);
const MACHINES: Readonly<Record<string, string>> = { x64: "x86", arm64: "arm64" };
const HEADERS: Readonly<Record<string, string>> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
};

/** Compiles every self-test program that compiles against this kernel's types; returns the objects. Cached. */
export async function compileSelfTests(workshop: Workshop): Promise<string[]> {
  const directory = join(workshop.tree, "tools/testing/selftests/bpf");
  const sources = readdirSync(join(directory, "progs")).filter((file) => file.endsWith(".c"));
  const waiting = sources.toSorted();
  const objects: string[] = [];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const object = await compile(workshop, directory, file);
      if (object !== undefined) objects.push(object);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return objects.toSorted();
}

/** The object, or undefined when this kernel's types don't fit the source (remembered by an empty `.failed`). */
async function compile(
  workshop: Workshop,
  directory: string,
  file: string,
): Promise<string | undefined> {
  const object = join(workshop.objects, `${basename(file, ".c")}.o`);
  if (existsSync(object)) return object;
  if (existsSync(`${object}.failed`)) return undefined;
  const out = join(workshop.tree, "out");
  const uapi = join(workshop.tree, "tools/include/uapi");
  const flags = [
    ...[
      "-g",
      "-O2",
      "--target=bpfel",
      "-mcpu=v3",
      "-w",
      `-D__TARGET_ARCH_${MACHINES[process.arch]}`,
    ],
    ...[out, join(out, "include"), ".", uapi, `/usr/include/${HEADERS[process.arch]}`].map(
      (path) => `-I${path}`,
    ),
    ...["-c", `progs/${file}`, "-o", `${object}.new`],
  ];
  try {
    await run("clang-19", flags, { cwd: directory });
  } catch {
    writeFileSync(`${object}.failed`, "");
    return undefined;
  }
  renameSync(`${object}.new`, object);
  return object;
}
