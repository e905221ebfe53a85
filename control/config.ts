/** Control's configuration: flags in, one checked value out. */

import { Command, InvalidArgumentError } from "commander";

/** Where a server listens. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** The whole configuration. */
export interface ControlConfig {
  /** Directories (not recursive) or files of Kubernetes manifests that are the world. */
  readonly manifests: readonly string[];
  /** Where agents connect. */
  readonly listen: ListenAddress;
  /** Where /metrics and /ready are; undefined = nowhere. */
  readonly metrics: ListenAddress | undefined;
  /** Path of the admin socket; undefined = none. */
  readonly admin: string | undefined;
}

interface Flags {
  readonly manifests: readonly string[];
  readonly listen: ListenAddress;
  readonly metrics?: ListenAddress;
  readonly admin?: string;
}

/** Reads the flags. Prints help or an error and throws commander's `CommanderError` when it can't go on. */
export function parseConfig(argv: readonly string[]): ControlConfig {
  const command = new Command("nodemesh-control")
    .description("The nodemesh control plane: turns Kubernetes objects into snapshots for agents.")
    .requiredOption("--manifests <path...>", "directories or files of manifests, watched")
    .requiredOption("--listen <address>", "for agents: HOST:PORT or unix:PATH", parseListen)
    .option("--metrics <address>", "/metrics and /ready: HOST:PORT or unix:PATH", parseListen)
    .option("--admin <path>", "admin socket: GET /conditions, /agents, /snapshot")
    .exitOverride();
  command.parse([...argv], { from: "user" });
  const { manifests, listen, metrics, admin } = command.opts<Flags>();
  return { manifests, listen, metrics, admin };
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
  return { kind: "tcp", host: match[1] ?? (match[2] || "::"), port };
}
