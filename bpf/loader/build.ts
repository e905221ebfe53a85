/**
 * bpf/loader is the package ebpf-loader-wasm: a pure WebAssembly core (assembly/) that parses, links and
 * relocates, and a small TypeScript host (src/) that makes the system calls. It may import nothing of the mesh
 * and must never decide what its objects are for.
 *
 * This file builds the core with the locked AssemblyScript; `--check` compares it with the committed one.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/*
 * Builds wasm/loader-core.wasm from assembly/ with the locked assemblyscript. `--check` compares with the
 * committed file byte for byte instead of writing it, and fails when they differ.
 *   bin/run bpf/loader/build.ts [--check]
 */
const HERE = import.meta.dirname;
const OUTPUT = join(HERE, "wasm/loader-core.wasm");

const built = buildCore();
if (process.argv.includes("--check")) {
  const isSame = built.equals(readFileSync(OUTPUT));
  process.stdout.write(
    isSame
      ? `loader-core.wasm: ${built.length} bytes, as committed\n`
      : "loader-core.wasm differs from the committed file: run bin/run bpf/loader/build.ts\n",
  );
  process.exitCode = isSame ? 0 : 1;
} else {
  writeFileSync(OUTPUT, built);
  process.stdout.write(`loader-core.wasm: ${built.length} bytes\n`);
}

function buildCore(): Buffer {
  const directory = mkdtempSync(join(tmpdir(), "loader-core-"));
  try {
    const output = join(directory, "core.wasm");
    const require = createRequire(import.meta.url);
    const compiler = join(dirname(require.resolve("assemblyscript/package.json")), "bin/asc.js");
    const flags = ["-O3", "--runtime", "stub", "--use", "abort="];
    // A relative input and the package's folder as base keep this machine's paths out of the file.
    const options = { cwd: HERE, stdio: "inherit" } as const;
    execFileSync(
      process.execPath,
      [compiler, "assembly/index.ts", ...flags, "-o", output],
      options,
    );
    return readFileSync(output);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
