/** Control's configuration: flags in, one checked value out. */

import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";

/** Where a server listens. */
export type ListenAddress =
  /** Without a host on all addresses, of IPv6 too where the node has it. */
  | { readonly kind: "tcp"; readonly host: string | undefined; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** What control needs to live on a cluster. */
export interface KubernetesConfig {
  /** A kubeconfig file; undefined = the pod's own service account. */
  readonly kubeconfig: string | undefined;
  /** Where control itself is installed: its CA, its lease and its agents' service account are there. */
  readonly namespace: string;
  /** This replica's name among the others: the pod's name. */
  readonly identity: string;
  /** The Service through which agents come; its DNS names are in the serving certificate. */
  readonly serviceName: string;
}

/** The whole configuration. The world comes from `manifests` or from `kubernetes`, never from both. */
export interface ControlConfig {
  /** Directories (not recursive) or files of Kubernetes manifests that are the world; empty with `kubernetes`. */
  readonly manifests: readonly string[];
  /** The cluster whose API is the world; undefined with `manifests`. */
  readonly kubernetes: KubernetesConfig | undefined;
  /** Where agents connect: over TLS with a token in a cluster, in cleartext with manifests. */
  readonly listen: ListenAddress;
  /** Where /metrics and /ready are; undefined = nowhere. */
  readonly metrics: ListenAddress | undefined;
  /** Path of the admin socket; undefined = none. */
  readonly admin: string | undefined;
}

interface Flags {
  readonly manifests?: readonly string[];
  readonly kubernetes?: boolean;
  readonly kubeconfig?: string;
  readonly namespace: string;
  readonly identity: string;
  readonly serviceName: string;
  readonly listen: ListenAddress;
  readonly metrics?: ListenAddress;
  readonly admin?: string;
}

/** Flags that mean nothing without --kubernetes. */
const CLUSTER_FLAGS = ["kubeconfig", "namespace", "identity", "serviceName"] as const;

/** Reads the flags. Prints help or an error and throws commander's `CommanderError` when it can't go on. */
export function parseConfig(argv: readonly string[]): ControlConfig {
  const command = new Command("nodemesh-control")
    .description("The nodemesh control plane: turns Kubernetes objects into snapshots for agents.")
    .option("--manifests <path...>", "directories or files of manifests, watched")
    .addOption(
      new Option("--kubernetes", "the API server of the cluster is the source").conflicts(
        "manifests",
      ),
    )
    .option("--kubeconfig <file>", "how to reach the cluster from outside (default: the pod's own)")
    .option("--namespace <name>", "where control is installed", parseLabel, "nodemesh")
    .addOption(
      new Option("--identity <name>", "this replica's name, for the leader's lease").default(
        hostname(),
        "the host's name",
      ),
    )
    .option("--service-name <name>", "the Service of control", parseLabel, "nodemesh-control")
    .requiredOption("--listen <address>", "for agents: HOST:PORT or unix:PATH", parseListen)
    .option("--metrics <address>", "/metrics and /ready: HOST:PORT or unix:PATH", parseListen)
    .option("--admin <path>", "admin socket: GET /conditions, /agents, /snapshot")
    .exitOverride();
  command.parse([...argv], { from: "user" });
  const flags = command.opts<Flags>();
  const { manifests = [], listen, metrics, admin } = flags;
  const stray = CLUSTER_FLAGS.find((name) => command.getOptionValueSource(name) === "cli");
  if (flags.kubernetes !== true && manifests.length === 0)
    command.error("error: name the source: --kubernetes or --manifests PATH...");
  if (flags.kubernetes !== true && stray !== undefined)
    command.error(`error: the flag for ${stray} needs --kubernetes`);
  return { manifests, kubernetes: clusterOf(flags), listen, metrics, admin };
}

function clusterOf(flags: Flags): KubernetesConfig | undefined {
  if (flags.kubernetes !== true) return undefined;
  const { kubeconfig, namespace, identity, serviceName } = flags;
  return { kubeconfig, namespace, identity, serviceName };
}

/** A name of one DNS label, as namespaces and Services have (RFC 1123 section 2.1, 63 letters at most). */
function parseLabel(text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError("expected lower-case letters, digits and '-', at most 63");
}

/** Reads `HOST:PORT`, `[IPv6]:PORT`, `:PORT` (all addresses) or `unix:/PATH`. */
export function parseListen(text: string): ListenAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path.startsWith("/")) return { kind: "unix", path };
    throw new InvalidArgumentError("expected an absolute path after unix:");
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new InvalidArgumentError("expected HOST:PORT, for example 127.0.0.1:15010, or unix:PATH");
  return { kind: "tcp", host: match[1] ?? (match[2] || undefined), port };
}
