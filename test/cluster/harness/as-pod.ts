/**
 * Programs of a user's cluster that are no image here (Prometheus, an adapter of metrics): they run beside the API
 * server, from where all pods and nodes are reached, and find a ServiceAccount's token and the API server's address where
 * a pod finds them, so that their configuration is the one of a pod.
 */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keeperOf } from "../control/network.ts";
import { API_PORT, CONTROL } from "../plan.ts";
import type { TestCluster } from "./cluster.ts";

/** Longer than any test. */
const TOKEN_DURATION = "1h";

/** Gives the program a /run of its own, with what a kubelet puts there for a pod. */
const ENTER = `
mount -t tmpfs -o mode=0755 none /run
account=/run/secrets/kubernetes.io/serviceaccount
mkdir -p $account
cp "$1"/* $account
shift
exec "$@"`;

/** A ServiceAccount, as whose pod programs can run. Disposal removes its token, not programs that still run. */
export class AsPod implements Disposable {
  /** File of the network namespace in which they run. */
  readonly netns: string;
  readonly #account: string;

  /** The ServiceAccount must be there. */
  static async of(cluster: TestCluster, namespace: string, name: string): Promise<AsPod> {
    const words = ["create", "token", name, "-n", namespace, `--duration=${TOKEN_DURATION}`];
    const token = await cluster.kubectl(...words);
    const account = mkdtempSync(join(tmpdir(), "nodemesh-account-"));
    writeFileSync(join(account, "token"), token.trim(), { mode: 0o600 });
    writeFileSync(join(account, "namespace"), namespace);
    copyFileSync(join(cluster.paths.pki, "ca.crt"), join(account, "ca.crt"));
    return new AsPod(`/proc/${keeperOf(cluster.paths)}/ns/net`, account);
  }

  private constructor(netns: string, account: string) {
    this.netns = netns;
    this.#account = account;
  }

  /** The words that run a program so; it takes the place of the first of them, as one process. */
  command(...words: readonly string[]): readonly [string, ...string[]] {
    const server = [`KUBERNETES_SERVICE_HOST=${CONTROL.v4}`, `KUBERNETES_SERVICE_PORT=${API_PORT}`];
    return [
      "nsenter",
      `--net=${this.netns}`,
      ...["unshare", "--mount", "env", ...server, "sh", "-ec", ENTER, "sh"],
      this.#account,
      ...words,
    ];
  }

  [Symbol.dispose](): void {
    rmSync(this.#account, { recursive: true, force: true });
  }
}
