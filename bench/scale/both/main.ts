/**
 * `npm run bench:scale [-- [--nodes N] [--pods N] [--services N] [--rate N]]`: the scale bench's two parts, one after the
 * other on the same world: control with all agents' streams (bench/scale/main.ts), one agent (bench/scale/agent/main.ts).
 * One table; exit code 1 when a budget is missed, or when a part can't be run.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { interruption } from "../../harness/process.ts";
import { combined, type Part, readPart, tell } from "../report.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string" },
    pods: { type: "string" },
    services: { type: "string" },
    rate: { type: "string" },
  },
});
const options = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => interruption.abort(new Error(`ended by ${name}`)));

const folder = mkdtempSync(join(tmpdir(), "nodemesh-scale-both-"));
try {
  const control = await run("../main.ts");
  const agent = await run("../agent/main.ts");
  tell(combined({ control, agent }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs a part to its end; its own table is not shown. Throws when it ends without figures. */
async function run(main: string): Promise<Part> {
  interruption.signal.throwIfAborted();
  const program = new URL(main, import.meta.url).pathname;
  const file = join(folder, "figures.json");
  rmSync(file, { force: true });
  const node = [process.execPath, ...process.execArgv, program, ...options, "--figures", file];
  // It cleans up when it is asked to end, and is asked also when this process is killed.
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", ...node], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const end = (): void => void child.kill("SIGTERM");
  interruption.signal.addEventListener("abort", end);
  const [code] = (await once(child, "exit")) as [number | null];
  interruption.signal.removeEventListener("abort", end);
  if (!existsSync(file)) throw new Error(`${program} ended with ${code} and no figures`);
  return readPart(file);
}
