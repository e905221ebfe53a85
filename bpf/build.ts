/**
 * Compiles the eBPF programs of this folder and generates what TypeScript must know of them:
 * `bin/run bpf/build.ts` writes, `bin/run bpf/build.ts --check` compares with what is committed, byte for byte.
 * Nobody but contributors and CI needs it: the outputs are committed. May import what lies beside it and the
 * loader. Must never write anything but `bpf/*.bpf.o`, the
 * loader's test fixtures and `*.gen.ts`, and must give the same bytes in any
 * directory of any machine with the pinned compiler.
 */

import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { compileObject, ensureCompiler } from "./compiler.ts";
import { generateLayout } from "./layout.ts";

const BPF = import.meta.dirname;
const LAYOUT = join(BPF, "../agent/kernel/layout.gen.ts");

/** One output: where it belongs and what it should hold. */
interface Output {
  readonly path: string;
  readonly bytes: Uint8Array;
}

function main(): void {
  const check = process.argv.includes("--check");
  ensureCompiler();
  const outputs = build();
  const stale = outputs.filter(differs);
  if (!check) for (const output of stale) writeFileSync(output.path, output.bytes);
  for (const { path } of stale)
    process.stderr.write(`${check ? "differs from a fresh build" : "written"}: ${path}\n`);
  process.stderr.write(`${outputs.length} outputs, ${outputs.length - stale.length} unchanged\n`);
  if (check && stale.length > 0) process.exitCode = 1;
}

function build(): Output[] {
  const scratch = mkdtempSync(join(tmpdir(), "nodemesh-bpf-"));
  try {
    const objects = globSync(["*.bpf.c", "loader/test/fixtures/*.bpf.c"], { cwd: BPF })
      .sort()
      .map((source) => {
        const folder = join(BPF, dirname(source));
        const name = basename(source).replace(/\.c$/, ".o");
        compileObject(folder, basename(source), join(scratch, name));
        return { path: join(folder, name), bytes: readFileSync(join(scratch, name)) };
      });
    const header = readFileSync(join(BPF, "mesh.h"), "utf8");
    const layout = new TextEncoder().encode(generateLayout(header));
    return [...objects, { path: LAYOUT, bytes: layout }];
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function differs(output: Output): boolean {
  return !existsSync(output.path) || !readFileSync(output.path).equals(output.bytes);
}

main();
