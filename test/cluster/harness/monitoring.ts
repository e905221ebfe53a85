/** A user's Prometheus in a test's cluster, set up as docs/grafana.md says. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { Prometheus } from "../../support/prometheus.ts";
import { ROOT } from "../../support/source-files.ts";
import { ensureBinaries } from "../build/binaries.ts";
import { AsPod } from "./as-pod.ts";
import type { TestCluster } from "./cluster.ts";
import { MESH_NAMESPACE, meshPods } from "./mesh.ts";

/** Its namespace, as the documentation calls it. */
export const MONITORING = "monitoring";
const ACCOUNT = "prometheus";
/** Of the Role and the RoleBinding. */
const RIGHTS = "scrape";

const DOCS = readFileSync(join(ROOT, "docs/grafana.md"), "utf8");
const CONFIG = z.object({ scrape_configs: z.array(z.unknown()) });

/** One that scrapes every agent and control. Disposal removes its namespace and rights. */
export class Monitoring implements AsyncDisposable {
  readonly prometheus: Prometheus;
  readonly #cluster: TestCluster;
  readonly #account: AsPod;

  /** The mesh must be installed and Ready. */
  static async start(cluster: TestCluster): Promise<Monitoring> {
    await cluster.namespace(MONITORING);
    await cluster.kubectl("-n", MONITORING, "create", "serviceaccount", ACCOUNT);
    await removeRights(cluster);
    for (const command of documentedRights()) await cluster.kubectl(...command);
    const account = await AsPod.of(cluster, MONITORING, ACCOUNT);
    const [, config = ""] = /```yaml\n([\s\S]*?)```/.exec(DOCS) ?? [];
    const built = await ensureBinaries(["prometheus"], (line) => process.stdout.write(`${line}\n`));
    const pods = [...(await meshPods(cluster, "agent")), ...(await meshPods(cluster, "control"))];
    const prometheus = await Prometheus.start({
      program: built["prometheus"] ?? "",
      netns: account.netns,
      command: (...words) => account.command(...words),
      jobs: CONFIG.parse(parse(config)).scrape_configs,
      targets: pods.filter(({ ready }) => ready).length,
    });
    return new Monitoring(cluster, account, prometheus);
  }

  private constructor(cluster: TestCluster, account: AsPod, prometheus: Prometheus) {
    this.#cluster = cluster;
    this.#account = account;
    this.prometheus = prometheus;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.prometheus[Symbol.asyncDispose]();
    this.#account[Symbol.dispose]();
    await removeRights(this.#cluster);
    await this.#cluster.deleteNamespace(MONITORING);
  }
}

/** The documented commands that let Prometheus list the mesh's pods, without the word kubectl. */
function documentedRights(): readonly (readonly string[])[] {
  const commands = [...DOCS.matchAll(/^ *kubectl (-n nodemesh create .*)$/gm)];
  if (commands.length !== 2) throw new Error("docs/grafana.md: a Role and a RoleBinding expected");
  return commands.map(([, words = ""]) => words.split(" "));
}

async function removeRights(cluster: TestCluster): Promise<void> {
  const words = ["delete", "role,rolebinding", RIGHTS, "--ignore-not-found"];
  await cluster.kubectl("-n", MESH_NAMESPACE, ...words);
}
