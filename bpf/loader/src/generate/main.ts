/**
 * `bpf-types [--check] [--number STRUCT.FIELD]… OBJECT.bpf.o…`: writes `OBJECT.gen.ts` beside each object, or
 * with --check compares what is there. `--number` makes a 64-bit field a number instead of a bigint.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { parseObject } from "../core/parse.ts";
import { objectModule } from "./object-module.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    check: { type: "boolean", default: false },
    number: { type: "string", multiple: true, default: [] },
  },
});

let stale = 0;
for (const path of positionals) {
  const target = path.replace(/(?:\.bpf)?\.o$/, ".gen.ts");
  if (target === path) throw new Error(`${path} is no object file: its name must end in .o`);
  const object = parseObject(readFileSync(path));
  const text = objectModule(object, { object: basename(path), numbers: values.number });
  if (existsSync(target) && readFileSync(target, "utf8") === text) continue;
  stale++;
  if (!values.check) writeFileSync(target, text);
  process.stderr.write(`${values.check ? "differs from a fresh one" : "written"}: ${target}\n`);
}
process.stderr.write(`${positionals.length} modules, ${positionals.length - stale} unchanged\n`);
if (positionals.length === 0 || (values.check && stale > 0)) process.exitCode = 1;
