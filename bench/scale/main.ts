/**
 * `bin/run bench/scale/main.ts [--nodes N] [--pods N] [--services N] [--rate N] [--seconds S] [--limit S]
 * [--profile FOLDER] [--figures FILE]`: a cluster on paper (real API server and etcd, nodes and pods by kwok), one real control
 * replica, and as many agents' streams as there are nodes, while endpoints change. Prints figures and budgets; fails when
 * a budget is missed. Everything runs in a network namespace of its own, on loopback. A look in a minute: `--nodes 50
 * --pods 500 --seconds 20`. The agent's side of the same world is bench/scale/agent/main.ts;
 * both together: npm run bench:scale. `--figures` also leaves the figures in a file. May import anything of the
 * checkout; nothing imports it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { ensureBinaries } from "../../test/cluster/build/binaries.ts";
import { ensurePackages } from "../../test/tools/debian-packages.ts";
import { interruption } from "../harness/process.ts";
import { measure } from "./measure.ts";
import { tell } from "./report.ts";
import { sizeOf } from "./world.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000" },
    pods: { type: "string", default: "10000" },
    services: { type: "string" },
    rate: { type: "string", default: "50" },
    seconds: { type: "string", default: "60" },
    limit: { type: "string", default: "900" },
    profile: { type: "string" },
    figures: { type: "string" },
    inside: { type: "boolean", default: false },
  },
});
const size = sizeOf(values);
const load = { perSecond: Number(values.rate), seconds: Number(values.seconds) };
const begun = performance.now();
const say = (line: string): void =>
  console.error(`${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${line}`);

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => interruption.abort(new Error(`ended by ${name}`)));

if (values.inside) await inside();
else process.exitCode = await outside();

/** Gets what is needed from outside, then runs this file again where there is only loopback. */
async function outside(): Promise<number> {
  ensurePackages("bench", say);
  await ensureBinaries(["kubernetes", "kwok"], say);
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1), "--inside"];
  const script = 'ip link set lo up && exec "$@"';
  // It cleans up when it is asked to end, and is asked also when this process is killed.
  const argv = ["--pdeathsig", "TERM", "--", "unshare", "--net", "sh", "-c", script, "sh"];
  const child = spawn("setpriv", [...argv, ...again], { stdio: "inherit" });
  interruption.signal.addEventListener("abort", () => child.kill("SIGTERM"));
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

async function inside(): Promise<void> {
  const limit = setTimeout(
    () => interruption.abort(new Error(`not done within ${values.limit} s; see --limit`)),
    Number(values.limit) * 1000,
  );
  const programs = await ensureBinaries(["kubernetes", "kwok"], () => undefined);
  const part = await measure({ programs, size, load, say, profile: values.profile });
  clearTimeout(limit);
  tell(part, values.figures);
}
