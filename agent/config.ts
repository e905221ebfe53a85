/** The agent's configuration: flags in, one checked value out. Every default has its reason beside it. */

import { Command, InvalidArgumentError, Option } from "commander";
import { type OtlpEndpoint, parseOtlpEndpoint } from "#model/otlp-endpoint.ts";

/** A TCP address to listen on. */
export interface ListenAddress {
  /** undefined: all addresses, of IPv6 too where the node has it. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Where control is reached. */
export type ControlAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** How control proves who it is and the agent proves who it is; both files are read anew for each connection. */
export interface ControlTls {
  /** PEM file with the mesh's CA. */
  readonly caFile: string;
  /** File with the projected ServiceAccount token. */
  readonly tokenFile: string;
  /** DNS name that control's certificate must carry. */
  readonly serverName: string;
}

/** Where pods' network namespaces are found. */
export type PodSource =
  /** By the cgroups of the node's processes: a Kubernetes node. */
  | { readonly kind: "kubernetes" }
  /** A file for each pod uid: the simulator. */
  | { readonly kind: "directory"; readonly directory: string };

/** Bounds of the data workers. All memory that clients can make the agent use is bounded by these. */
export interface DataLimits {
  /** Longest request or response head, bytes. 128 KiB: twice what the widest servers in use take (64 KiB), so they say no first. */
  readonly maxHeadBytes: number;
  /** Most header fields of one head. 256: servers take 100 (Apache, Go has no bound) to 200. */
  readonly maxHeaders: number;
  /** Most connections in one worker. 100,000: 2.7 kB each at rest (measured) are a quarter of the default limit of 1 GiB. */
  readonly maxConnections: number;
  /** Most connections of one pod in one worker. */
  readonly maxConnectionsPerPod: number;
  /** Most bytes buffered for one pod in one worker. */
  readonly maxBufferedBytesPerPod: number;
  /** Most bytes buffered in one worker. */
  readonly maxBufferedBytes: number;
}

/** Time-outs of the data workers, milliseconds. 0 means none. */
export interface DataTimeouts {
  /**
   * A connect to one endpoint; then another one is tried besides. 3 s: a lost SYN is sent again after 1 s and 3 s. Who
   * has nobody else to try gets as long as the pod's own kernel would give (net.ipv4.tcp_syn_retries).
   */
  readonly connectMs: number;
  /** From the first byte of a request head to its last. */
  readonly headMs: number;
  /** From the last byte of a request to the head of its answer. None: an application may think as long as it likes. */
  readonly responseHeadMs: number;
  /** Nothing in either direction. None: where both ends live they decide, and keep-alive finds ends that do not. */
  readonly idleMs: number;
  /**
   * An upstream connection whose own client has ended or turned elsewhere. 1 s: a server that serves one connection at a
   * time waits no longer for nobody.
   */
  readonly poolIdleMs: number;
  /** After SIGTERM: how long connections may go on. */
  readonly drainMs: number;
}

/** What is traced, and where spans go. */
export interface TraceConfig {
  /** Undefined: nowhere, and no request is in a trace of the mesh's. */
  readonly endpoint: OtlpEndpoint | undefined;
  /** Share of requests that a trace is begun for where a pod's owner says nothing, 0 to 1; those of others are followed. */
  readonly share: number;
}

/** The whole configuration. */
export interface AgentConfig {
  readonly node: string;
  readonly control: ControlAddress;
  /** undefined: cleartext, for a Unix socket or a simulator's network. */
  readonly controlTls: ControlTls | undefined;
  /** A cgroup v2 directory, or `auto`: where it is mounted. */
  readonly cgroup: string;
  /** A procfs of the node with a writable `sys`. */
  readonly proc: string;
  readonly pinDirectory: string;
  readonly pods: PodSource;
  readonly metrics: ListenAddress;
  /** For kubelet alone: loopback, so that nothing but the node itself reaches it. */
  readonly probes: ListenAddress;
  readonly adminSocket: string;
  readonly stateDirectory: string;
  readonly workers: number;
  /** Share of requests and connections that get an access-log line where a pod's owner says nothing, 0 to 1. */
  readonly accessLog: number;
  readonly trace: TraceConfig;
  /**
   * How long control may be lost before connections that find no known endpoint go to the ClusterIP that was dialled,
   * milliseconds; 0 = they never do. 30 s: a control that is restarted, or fails over, is back long before.
   */
  readonly controlAwayMs: number;
  readonly limits: DataLimits;
  readonly timeouts: DataTimeouts;
}

/** Reads the flags. Prints help or an error and throws commander's `CommanderError` when it can't go on. */
export function parseConfig(argv: readonly string[]): AgentConfig {
  const command = describeFlags().exitOverride();
  command.parse([...argv], { from: "user" });
  const flags = command.opts<Flags>();
  return {
    node: flags.node,
    control: flags.control,
    controlTls: controlTlsOf(command, flags),
    proc: flags.proc,
    cgroup: flags.cgroup,
    pinDirectory: flags.pinDir,
    pods:
      flags.podNetnsDir === undefined
        ? { kind: "kubernetes" }
        : { kind: "directory", directory: flags.podNetnsDir },
    metrics: flags.metrics,
    probes: flags.probes,
    adminSocket: flags.admin,
    stateDirectory: flags.stateDir,
    workers: flags.workers,
    accessLog: flags.accessLog,
    trace: {
      endpoint: flags.traceEndpoint === "none" ? undefined : flags.traceEndpoint,
      share: flags.trace,
    },
    controlAwayMs: flags.controlAwayMs,
    limits: {
      maxHeadBytes: flags.maxHeadBytes,
      maxHeaders: flags.maxHeaders,
      maxConnections: flags.maxConnections,
      maxConnectionsPerPod: flags.maxConnectionsPerPod,
      maxBufferedBytesPerPod: flags.maxBufferedBytesPerPod,
      maxBufferedBytes: flags.maxBufferedBytes ?? bufferShare(flags),
    },
    timeouts: {
      connectMs: flags.connectTimeoutMs,
      headMs: flags.headTimeoutMs,
      responseHeadMs: flags.responseHeadTimeoutMs,
      idleMs: flags.idleTimeoutMs,
      poolIdleMs: flags.poolIdleTimeoutMs,
      drainMs: flags.drainTimeoutMs,
    },
  };
}

interface Flags {
  readonly node: string;
  readonly control: ControlAddress;
  readonly controlCa?: string;
  readonly controlToken?: string;
  readonly controlName?: string;
  readonly proc: string;
  readonly cgroup: string;
  readonly pinDir: string;
  readonly podNetnsDir?: string;
  readonly metrics: ListenAddress;
  readonly probes: ListenAddress;
  readonly admin: string;
  readonly stateDir: string;
  readonly workers: number;
  readonly accessLog: number;
  readonly traceEndpoint?: OtlpEndpoint | "none";
  readonly trace: number;
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly memoryLimitBytes?: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerPod: number;
  readonly maxBufferedBytesPerPod: number;
  readonly maxBufferedBytes?: number;
  readonly controlAwayMs: number;
  readonly connectTimeoutMs: number;
  readonly headTimeoutMs: number;
  readonly responseHeadTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly poolIdleTimeoutMs: number;
  readonly drainTimeoutMs: number;
}

const DAY_MS = 86_400_000;
/** Bytes buffered in all workers when nobody says how much memory there is. */
const DEFAULT_BUFFERED_BYTES = 512 << 20;

function describeFlags(): Command {
  return describeBounds(
    new Command("nodemesh-agent")
      .description("The nodemesh data plane of one node.")
      .requiredOption("--node <name>", "name of this node, as in spec.nodeName")
      .requiredOption("--control <address>", "control plane, HOST:PORT or unix:PATH", parseControl)
      .option("--control-ca <file>", "PEM of the mesh's CA; with the next two: TLS to control")
      .option("--control-token <file>", "ServiceAccount token that control admits")
      .option("--control-name <dns>", "name in control's certificate")
      .option("--proc <path>", "procfs of the node, with a writable sys", "/proc")
      .option(
        "--cgroup <path>",
        "cgroup v2 directory whose processes' connects are seen; auto = its mount",
        "auto",
      )
      .option("--pin-dir <path>", "directory on a BPF file system", "/sys/fs/bpf/nodemesh")
      .option(
        "--pod-netns-dir <path>",
        "directory with one network namespace file per pod uid; without: pods are found by their cgroups",
      )
      .addOption(
        new Option("--metrics <address>", "HOST:PORT of /metrics, /ready and /live")
          .argParser(parseListen)
          .default({ host: undefined, port: 15020 }, ":15020, all addresses"),
      )
      .addOption(
        new Option("--probes <address>", "HOST:PORT of /ready and /live for kubelet")
          .argParser(parseListen)
          .default({ host: "127.0.0.1", port: 15022 }, "127.0.0.1:15022"),
      )
      .option("--admin <path>", "admin socket", "/run/nodemesh/agent.sock")
      .option("--state-dir <path>", "where the last good snapshot is kept", "/var/lib/nodemesh")
      .option("--workers <n>", "data workers", integer(1, 256), 1)
      .option(
        "--access-log <fraction>",
        "share that is logged where a pod has no mesh/access-log, 0 to 1",
        fraction,
        0,
      )
      .option(
        "--trace-endpoint <url>",
        "collector of spans by OTLP: http(s)://HOST:PORT[/PATH] or grpc(s)://HOST:PORT; without: none are made",
        otlpEndpoint,
      )
      .option(
        "--trace <fraction>",
        "share that a trace is begun for where a pod has no mesh/trace, 0 to 1",
        fraction,
        0,
      ),
  );
}

function describeBounds(command: Command): Command {
  return command
    .option("--max-head-bytes <n>", "longest HTTP head", integer(1024, 1 << 20), 131_072)
    .option("--max-headers <n>", "most header fields of a head", integer(8, 1024), 256)
    .option(
      "--memory-limit-bytes <n>",
      "memory of the agent's container: half of it is for buffers, shared by the workers",
      integer(1 << 20, 2 ** 48),
    )
    .option("--max-connections <n>", "per worker", integer(1, 10_000_000), 100_000)
    .option("--max-connections-per-pod <n>", "per worker", integer(1, 1_000_000), 20_000)
    .option("--max-buffered-bytes-per-pod <n>", "per worker", integer(1 << 20, 2 ** 32), 64 << 20)
    .option(
      "--max-buffered-bytes <n>",
      "per worker (default: its share of half the memory limit, or of 512 MiB without one)",
      integer(1 << 20, 2 ** 36),
    )
    .option(
      "--connect-timeout-ms <n>",
      "connect to one endpoint, then another is tried besides",
      integer(1, DAY_MS),
      3000,
    )
    .option("--head-timeout-ms <n>", "request head, 0 = none", integer(0, DAY_MS), 60_000)
    .option(
      "--response-head-timeout-ms <n>",
      "from a sent request to its answer's head, 0 = none",
      integer(0, DAY_MS),
      0,
    )
    .option("--idle-timeout-ms <n>", "silent connection, 0 = none", integer(0, DAY_MS), 0)
    .option("--pool-idle-timeout-ms <n>", "upstream without its client", integer(1, DAY_MS), 1000)
    .option("--drain-timeout-ms <n>", "after SIGTERM", integer(0, DAY_MS), 30_000)
    .option(
      "--control-away-ms <n>",
      "control lost so long: who finds no endpoint goes to the ClusterIP, 0 = never",
      integer(0, DAY_MS),
      30_000,
    );
}

/** The other half is for everything else: the agent itself, connections' state, snapshots. */
function bufferShare({ memoryLimitBytes, workers }: Flags): number {
  const all = memoryLimitBytes === undefined ? DEFAULT_BUFFERED_BYTES : memoryLimitBytes / 2;
  return Math.floor(all / workers);
}

/** All three or none: a half would be cleartext that looks like TLS. */
function controlTlsOf(command: Command, flags: Flags): ControlTls | undefined {
  const { controlCa: caFile, controlToken: tokenFile, controlName: serverName } = flags;
  if (caFile !== undefined && tokenFile !== undefined && serverName !== undefined)
    return { caFile, tokenFile, serverName };
  if (caFile === undefined && tokenFile === undefined && serverName === undefined) return undefined;
  return command.error(
    "error: --control-ca, --control-token and --control-name belong together: give all three for TLS, or none",
    { exitCode: 2 },
  );
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`);
  };
}

function fraction(text: string): number {
  const value = Number(text);
  if (text !== "" && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError("expected a number from 0 to 1");
}

/** Empty counts as not said: an installation gives the flag either way. */
function otlpEndpoint(text: string): OtlpEndpoint | "none" {
  if (text === "") return "none";
  const endpoint = parseOtlpEndpoint(text);
  if (endpoint !== undefined) return endpoint;
  throw new InvalidArgumentError(
    "expected http(s)://HOST:PORT[/PATH] or grpc(s)://HOST:PORT, for example grpc://otel-collector.tracing.svc:4317",
  );
}

function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new InvalidArgumentError("expected HOST:PORT, for example 127.0.0.1:15020 or [::]:15020");
  return { host: match[1] ?? (match[2] || undefined), port };
}

function parseControl(text: string): ControlAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path.startsWith("/")) return { kind: "unix", path };
    throw new InvalidArgumentError("expected an absolute path after unix:");
  }
  const { host, port } = parseListen(text);
  if (host === undefined) throw new InvalidArgumentError("expected HOST:PORT: control has a host");
  return { kind: "tcp", host, port };
}
