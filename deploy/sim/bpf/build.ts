/**
 * Compiles the simulator's own eBPF object: `bin/run deploy/sim/bpf/build.ts` writes, `--check` compares with
 * what is committed, byte for byte. Only contributors and CI need it.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileObject, ensureCompiler } from "../../../bpf/compiler.ts";

const SOURCE = "clusterip.bpf.c";
const TARGET: string = join(import.meta.dirname, "clusterip.bpf.o");

ensureCompiler();
const fresh = compile();
if (existsSync(TARGET) && readFileSync(TARGET).equals(fresh)) {
  process.stderr.write("1 output, 1 unchanged\n");
} else if (process.argv.includes("--check")) {
  process.stderr.write("differs from a fresh build: clusterip.bpf.o\n");
  process.exitCode = 1;
} else {
  writeFileSync(TARGET, fresh);
  process.stderr.write("written: clusterip.bpf.o\n");
}

function compile(): Buffer {
  const scratch = mkdtempSync(join(tmpdir(), "nodemesh-sim-bpf-"));
  try {
    const object = join(scratch, "clusterip.bpf.o");
    compileObject(import.meta.dirname, SOURCE, object);
    return readFileSync(object);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
