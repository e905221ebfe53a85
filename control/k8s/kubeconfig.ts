/** How to reach the API server: the pod's own service account, or kubeconfig files as kubectl reads them. */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Cluster, KubeConfig, type User } from "@kubernetes/client-node";
import { parse } from "yaml";

/**
 * Reads a kubeconfig file; without one, the service account that Kubernetes mounts into a pod. Tokens in files
 * are read again as they rotate. Throws an Error for the operator.
 */
export function loadKubeConfig(file: string | undefined): KubeConfig {
  if (file !== undefined) return loadKubeConfigFiles([file], undefined);
  const config = new KubeConfig();
  config.loadFromCluster();
  if (config.getCurrentCluster()?.server.includes("undefined") !== false)
    throw new Error(
      "not in a pod (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig FILE, or run control in the cluster",
    );
  return config;
}

/**
 * Reads several files as one: of a name that comes twice the first counts, of several current contexts too.
 * `context` replaces the current one. Throws an Error for the operator, which names the file.
 */
export function loadKubeConfigFiles(
  files: readonly string[],
  context: string | undefined,
): KubeConfig {
  const read = files.map(readOne);
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: firstOfEachName(read.flatMap(({ clusters }) => clusters)),
    // A context without a user is anonymous: client-node would leave out the cluster's CA too.
    users: firstOfEachName([...read.flatMap(({ users }) => users), { name: "" }]),
    contexts: firstOfEachName(
      read.flatMap(({ contexts }) => contexts).map((one) => ({ ...one, user: one.user ?? "" })),
    ),
    currentContext: context ?? read.map((one) => one.getCurrentContext()).find(Boolean) ?? "",
  });
  assertContext(config, `kubeconfig ${files.join(", ")}`, context);
  return config;
}

/** Throws when the chosen context leads nowhere; the others don't matter. */
function assertContext(config: KubeConfig, where: string, asked: string | undefined): void {
  const name = config.getCurrentContext();
  const others = config.contexts.map((one) => one.name).join(", ") || "none";
  const found = config.getContextObject(name);
  if (found === null) {
    if (asked !== undefined)
      throw new Error(`--context ${asked}: ${where} has no such context; it has ${others}`);
    const problem = name === "" ? "no current-context" : `current-context ${name} is not in it`;
    throw new Error(
      `${where}: ${problem}; give --context NAME or run kubectl config use-context NAME; it has ${others}`,
    );
  }
  const cluster = config.getCluster(found.cluster);
  if (cluster === null)
    throw new Error(
      `${where}: context ${name} names the cluster ${found.cluster}, which is not in it or has no server`,
    );
  if (!URL.canParse(cluster.server))
    throw new Error(
      `${where}: cluster ${cluster.name}: server ${cluster.server} is not a URL, for example https://10.0.0.1:6443`,
    );
  if (config.getUser(found.user) === null)
    throw new Error(`${where}: context ${name} names the user ${found.user}, who is not in it`);
}

function readOne(file: string): KubeConfig {
  const config = new KubeConfig();
  try {
    // An empty file is a kubeconfig without anything.
    const document: unknown = parse(readFileSync(file, "utf8")) ?? {};
    if (typeof document !== "object" || document === null)
      throw new Error("is no kubeconfig: it holds no mapping");
    // What the chosen context does not name may be wrong.
    config.loadFromString(JSON.stringify(document), { onInvalidEntry: "filter" });
    config.makePathsAbsolute(dirname(file));
    config.clusters = config.clusters.map(plainCluster);
    config.users = config.users.map((user) => resolvedUser(user, document, dirname(file)));
    return config;
  } catch (cause) {
    const [problem = ""] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    throw new Error(`kubeconfig ${file}: ${problem}`, { cause });
  }
}

/** Where there is no TLS client-node wants to be told so twice. */
function plainCluster(cluster: Cluster): Cluster {
  return cluster.server.startsWith("http:") ? { ...cluster, skipTLSVerify: true } : cluster;
}

/**
 * What client-node leaves: it reads no `tokenFile`, but can follow one as it does in a pod; and a plugin with a
 * slash in its name is found from the file's folder.
 */
function resolvedUser(user: User, document: object, folder: string): User {
  const entry = listOf(document, "users").find((one) => fieldOf(one, "name") === user.name);
  const tokenFile = fieldOf(fieldOf(entry, "user"), "tokenFile");
  const command = fieldOf(user.exec, "command");
  return {
    ...user,
    ...(typeof tokenFile === "string" && {
      authProvider: { name: "tokenFile", config: { tokenFile: resolve(folder, tokenFile) } },
    }),
    ...(typeof command === "string" &&
      command.includes("/") && { exec: { ...user.exec, command: resolve(folder, command) } }),
  };
}

function firstOfEachName<T extends { readonly name: string }>(entries: readonly T[]): T[] {
  const names = new Map<string, T>();
  for (const entry of entries) if (!names.has(entry.name)) names.set(entry.name, entry);
  return [...names.values()];
}

function listOf(value: unknown, name: string): readonly unknown[] {
  const found = fieldOf(value, name);
  return Array.isArray(found) ? found : [];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
