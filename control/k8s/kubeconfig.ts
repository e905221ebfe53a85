/** How to reach the API server: the pod's own service account, or a kubeconfig file. */

import { readFileSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";
import { parse } from "yaml";

/**
 * Reads a kubeconfig file; without one, the service account that Kubernetes mounts into a pod. Tokens in files
 * are read again as they rotate. Throws an Error for the operator.
 */
export function loadKubeConfig(file: string | undefined): KubeConfig {
  const config = new KubeConfig();
  if (file === undefined) config.loadFromCluster();
  else loadFile(config, file);
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new Error(`${file ?? "in-cluster configuration"}: current-context names no cluster`);
  if (file === undefined && cluster.server.includes("undefined"))
    throw new Error(
      "not in a pod (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig FILE, or run control in the cluster",
    );
  if (!URL.canParse(cluster.server))
    throw new Error(`${file}: clusters[].cluster.server ${cluster.server} is not a URL`);
  return config;
}

function loadFile(config: KubeConfig, file: string): void {
  try {
    config.loadFromFile(file);
    followTokenFiles(config, readFileSync(file, "utf8"));
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`--kubeconfig ${file}: ${problem}`, { cause });
  }
}

/** client-node reads no `tokenFile` of a kubeconfig's user, but can follow one as it does in a pod. */
function followTokenFiles(config: KubeConfig, text: string): void {
  const document: unknown = parse(text);
  for (const entry of listOf(document, "users")) {
    const name = fieldOf(entry, "name");
    const tokenFile = fieldOf(fieldOf(entry, "user"), "tokenFile");
    if (typeof tokenFile !== "string") continue;
    const at = config.users.findIndex((user) => user.name === name);
    const user = config.users[at];
    if (user !== undefined)
      config.users[at] = { ...user, authProvider: { name: "tokenFile", config: { tokenFile } } };
  }
}

function listOf(value: unknown, name: string): readonly unknown[] {
  const found = fieldOf(value, name);
  return Array.isArray(found) ? found : [];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
