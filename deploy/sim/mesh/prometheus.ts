/** Debian's Prometheus beside the simulated mesh: scrapes it, has its rules, is seen on the machine's own loopback only. */

import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { connectInNetns } from "../net/connect.ts";
import type { NodePlan } from "../net/plan.ts";
import { nodePaths, type SimPaths } from "../paths.ts";
import { Daemon } from "./daemon.ts";
import { AGENT_METRICS_PORT, CONTROL_METRICS_PORT } from "./mesh.ts";
import { fetchInNetns } from "./netns-fetch.ts";

/** Where it listens, inside the first node's namespace and, unless said otherwise, on this machine. */
export const PROMETHEUS_PORT = 9090;
const LOOPBACK = "127.0.0.1";
/** Often enough to watch what one does; the dashboards' windows are at least four of them. */
const SCRAPE = "5s";
/** The simulation's folder is memory. */
const LARGEST_DATA = "200MB";
const RULES = fileURLToPath(new URL("../../prometheus/nodemesh.rules.yaml", import.meta.url));

/** A Prometheus and the door to it. */
export class SimPrometheus {
  readonly #netns: string;
  readonly #port: number;
  readonly #nodes: readonly NodePlan[];
  readonly #directory: string;
  readonly #daemon: Daemon;
  readonly #door: Server;
  readonly #visitors = new Set<Socket>();

  /** `port`: of this machine's loopback; 0 = one that is free. */
  constructor(sim: SimPaths, nodes: readonly NodePlan[], port: number) {
    const [first] = nodes;
    if (first === undefined) throw new Error("a simulation has at least one node");
    this.#netns = nodePaths(sim, first.name).netns;
    this.#port = port;
    this.#nodes = nodes;
    this.#directory = join(sim.root, "prometheus");
    this.#daemon = new Daemon({
      name: "prometheus",
      cgroup: join(sim.cgroup, "prometheus"),
      netns: this.#netns,
      logFile: join(sim.root, "prometheus.log"),
      command: [
        "/usr/bin/prometheus",
        `--config.file=${join(this.#directory, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(this.#directory, "data")}`,
        `--storage.tsdb.retention.size=${LARGEST_DATA}`,
        `--web.listen-address=${LOOPBACK}:${PROMETHEUS_PORT}`,
      ],
    });
    this.#door = createServer({ allowHalfOpen: true }, (visitor) => this.#lead(visitor));
  }

  /** Opens the door and starts it. Throws an Error for the user when the port is taken. */
  async start(): Promise<void> {
    this.#door.listen(this.#port, LOOPBACK);
    try {
      await once(this.#door, "listening");
    } catch (cause) {
      throw new Error(
        `Prometheus can't have port ${this.#port} of ${LOOPBACK}: take another with --prometheus PORT (0: any)`,
        { cause },
      );
    }
    mkdirSync(this.#directory, { recursive: true });
    writeFileSync(join(this.#directory, "prometheus.yml"), stringify(configOf(this.#nodes)));
    this.#daemon.start();
  }

  /** Where to look, from this machine; only while it runs. */
  get url(): string {
    const { port } = this.#door.address() as AddressInfo;
    return `http://${LOOPBACK}:${port}/`;
  }

  /** Its log file. */
  get logFile(): string {
    return this.#daemon.logFile;
  }

  /** Whether it answers. */
  async ready(): Promise<boolean> {
    const place = { netns: this.#netns, ip: LOOPBACK, port: PROMETHEUS_PORT };
    return (await fetchInNetns({ ...place, path: "/-/ready" }))?.status === 200;
  }

  /** Ends it and everybody who looks. */
  async stop(): Promise<void> {
    this.#door.close();
    for (const visitor of this.#visitors) visitor.destroy();
    await this.#daemon.stop();
  }

  #lead(visitor: Socket): void {
    const inside = connectInNetns(this.#netns, { host: LOOPBACK, port: PROMETHEUS_PORT });
    this.#visitors.add(visitor);
    visitor.on("error", () => inside.destroy());
    visitor.on("close", () => {
      this.#visitors.delete(visitor);
      inside.destroy();
    });
    inside.on("close", () => visitor.destroy());
    visitor.pipe(inside);
    inside.pipe(visitor);
  }
}

function configOf(nodes: readonly NodePlan[]): object {
  const at = (port: number) => (node: NodePlan) => `${node.address.ipv4}:${port}`;
  const job = (job_name: string, targets: readonly string[]): object => ({
    job_name,
    static_configs: [{ targets }],
  });
  return {
    global: { scrape_interval: SCRAPE, evaluation_interval: SCRAPE },
    rule_files: [RULES],
    scrape_configs: [
      job("agents", nodes.map(at(AGENT_METRICS_PORT))),
      job("control", nodes.slice(0, 1).map(at(CONTROL_METRICS_PORT))),
    ],
  };
}
