/** `npm run demo [-- --keep]`: two nodes, a shop, a client; what the mesh does, with live figures. Exit code 0 only if all of it was true. */

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SIM_NAME, sim, status } from "./sim.ts";
import { tell } from "./story.ts";

const SHOP: string = fileURLToPath(new URL("../samples/shop.yaml", import.meta.url));
const LOAD: string = fileURLToPath(new URL("./load.yaml", import.meta.url));

const { values } = parseArgs({ options: { keep: { type: "boolean", default: false } } });
const broken: string[] = [];
let up = false;

const stage = {
  say: (line: string) => console.log(line),
  claim: (text: string, holds: boolean) => {
    console.log(`   ${holds ? "✓" : "✗"} ${text}`);
    if (!holds) broken.push(text);
  },
};

async function takeDown(): Promise<void> {
  if (up) await sim("down");
  up = false;
}

process.once("SIGINT", () => {
  void takeDown().finally(() => process.exit(130));
});

try {
  const started = performance.now();
  stage.say(
    "nodemesh demo: two virtual nodes on this machine, real agents, real eBPF. Takes about a minute.",
  );
  await sim("down");
  up = true;
  // Whoever keeps it wants to look; any free port, because this machine may have a Prometheus of its own.
  const beside = values.keep ? ["--prometheus=0"] : [];
  await sim("up", "-f", SHOP, "-f", LOAD, "--nodes", "2", "--detach", ...beside);
  stage.say(`the shop is up after ${((performance.now() - started) / 1_000).toFixed(1)} s`);
  await tell(stage);
} catch (error) {
  broken.push(error instanceof Error ? error.message : String(error));
}
if (values.keep) await printHints();
else await takeDown();
if (broken.length > 0) {
  console.error(`\nNot everything was true:\n${broken.map((text) => `  ✗ ${text}`).join("\n")}`);
  process.exitCode = 1;
} else console.log("\nAll of it was true.");

async function printHints(): Promise<void> {
  const nodemesh = `bin/nodemesh sim --name ${SIM_NAME}`;
  console.log(`\nIt goes on running. Try:
  ${nodemesh} status
  ${nodemesh} exec deploy/user -- curl -s http://order/
  ${nodemesh} annotate pod -l app=user mesh/enabled=true
  ${nodemesh} kill agent/node-1
  ${nodemesh} down`);
  const { prometheus } = await status();
  if (prometheus === undefined) return;
  // Debian builds Prometheus without its newer pages.
  console.log(`Prometheus scrapes it, with the alerts and recording rules:
  ${prometheus}classic/alerts
  ${prometheus}classic/graph?g0.tab=0&g0.expr=${encodeURIComponent("sum by (dst_service, code) (rate(nodemesh_http_requests_total[1m]))")}
For a Grafana of yours: bin/nodemesh dashboards, and that Prometheus as data source.`);
}
