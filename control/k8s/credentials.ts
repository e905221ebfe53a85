/** Whether the files, certificates and plugins that a kubeconfig names can be used, before anybody is called. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { KubeConfig, User } from "@kubernetes/client-node";
import { z } from "zod";

/** A kubeconfig whose credentials can't be used: the message names the entry, the file and the next step. */
export class CredentialsError extends Error {}

/** Rejects with a CredentialsError when those of the current context can't be used. Runs its plugin, if it names one. */
export async function assertUsable(config: KubeConfig): Promise<void> {
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null || user === null) return;
  const ofCluster = `cluster ${cluster.name} of the kubeconfig`;
  const ofUser = `user ${user.name} of the kubeconfig`;
  const authority = "certificate-authority";
  attempt(ofCluster, authority, cluster.caFile, cluster.caData, (pem) => new X509Certificate(pem));
  attempt(
    ofUser,
    "client-certificate",
    user.certFile,
    user.certData,
    (pem) => new X509Certificate(pem),
  );
  attempt(ofUser, "client-key", user.keyFile, user.keyData, createPrivateKey);
  try {
    await config.applyToHTTPSOptions({});
  } catch (cause) {
    throw new CredentialsError(`${ofUser}: ${signInProblem(user, cause)}`, { cause });
  }
}

/** A file counts before data, as for kubectl. */
function attempt(
  owner: string,
  name: string,
  file: string | undefined,
  data: string | undefined,
  read: (pem: Buffer) => unknown,
): void {
  const [place, step] = file
    ? [`${name} ${file}`, "put the file there, or correct the kubeconfig"]
    : [`${name}-data`, "correct the kubeconfig"];
  try {
    const pem = file ? readFileSync(file) : Buffer.from(data ?? "", "base64");
    if (file || data) read(pem);
  } catch (cause) {
    const problem = cause instanceof Error && "syscall" in cause ? cause.message : "is no PEM";
    throw new CredentialsError(`${owner}: ${place}: ${problem}; ${step}`, { cause });
  }
}

/** What of a user's plugin matters here. */
const plugin = z.object({
  command: z.string(),
  args: z.array(z.string()).nullish(),
  installHint: z.string().nullish(),
});

function signInProblem({ exec }: User, cause: unknown): string {
  const problem = cause instanceof Error ? cause.message.trim() : String(cause);
  const read = plugin.safeParse(exec);
  if (!read.success) return `${problem}; renew its credentials, or choose another --context`;
  const { command, args, installHint } = read.data;
  if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
    const hint = installHint ? `: ${installHint.trim()}` : "";
    return `its credential plugin ${command} is not to be found; install it and have it in PATH${hint}`;
  }
  const words = [command, ...(args ?? [])].join(" ");
  return `its credential plugin failed: ${problem || "it said nothing"}; run it by hand: ${words}`;
}
