/** etcd, an API server and kwok on loopback: a cluster whose nodes exist on paper only. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startService, until } from "../harness/process.ts";
import { Api, type ApiAddress } from "./api.ts";

const START_MS = 60_000;
const ETCD = "http://127.0.0.1:2379";
const ETCD_PEER = "http://127.0.0.1:2380";
/** 65,536 addresses for pods. */
const POD_CIDR = "10.244.0.0/16";
const SERVICE_CIDR = "10.96.0.0/16";
/** What a fake node says of itself, once: control reads neither heartbeats nor leases, and 1,000 nodes' cost a core. */
const NODE_STATUS = `
phase: Running
conditions:
- { type: Ready, status: "True", reason: Paper, lastHeartbeatTime: {{ Now | Quote }} }
`;
/** What kubelet would say of a pod that runs well, as far as anybody reads it. */
const POD_STATUS = `
phase: Running
startTime: {{ Now | Quote }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName (or .spec.hostNetwork false) .metadata.uid .metadata.name .metadata.namespace | Quote }}
conditions:
- { type: Ready, status: "True", lastTransitionTime: {{ Now | Quote }} }
`;

/** kwok does the one step of each object as soon as it sees it; with its default of four at once 10,000 take minutes. */
const KWOK_CONFIG = [
  {
    apiVersion: "config.kwok.x-k8s.io/v1alpha1",
    kind: "KwokConfiguration",
    options: {
      nodePlayStageParallelism: 16,
      podPlayStageParallelism: 32,
      podsOnNodeSyncParallelism: 16,
    },
  },
  stageOf("Node", ".status.phase", NODE_STATUS),
  stageOf("Pod", ".status.podIP", POD_STATUS),
];

/** A step of kwok's for objects that have no such field yet. */
function stageOf(kind: string, field: string, statusTemplate: string): object {
  return {
    apiVersion: "kwok.x-k8s.io/v1alpha1",
    kind: "Stage",
    metadata: { name: `paper-${kind.toLowerCase()}` },
    spec: {
      resourceRef: { apiGroup: "v1", kind },
      selector: { matchExpressions: [{ key: field, operator: "DoesNotExist" }] },
      next: { statusTemplate },
    },
  };
}

/**
 * The API server has a machine of its own in any cluster of this size. Here its garbage collection takes a core from what
 * is measured, for two seconds four times a minute; with this much room it is once a minute.
 */
const API_SERVER_GOGC = "GOGC=400";

/** A running control plane. Dispose to stop it. */
export interface ControlPlane extends AsyncDisposable {
  readonly address: ApiAddress;
  /** A kubeconfig file that may do everything. */
  readonly kubeconfig: string;
  /** The process ids of etcd and API server. */
  readonly pids: readonly number[];
  /**
   * Ends kwok: nothing happens to nodes and pods any more. Where each kubelet would ask for its own ten pods, kwok lists
   * and looks at all of them once a minute, which takes a core for six seconds.
   */
  freeze(): Promise<void>;
  /** The last words of kwok, for error messages. */
  log(): string;
}

/** Starts it with its files in `folder`; `programs` are those of test/cluster/build. Rejects with a program's last words. */
export async function startControlPlane(
  programs: Readonly<Record<string, string>>,
  folder: string,
): Promise<ControlPlane> {
  await using started = new AsyncDisposableStack();
  const etcdFlags = ["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD];
  const peerFlags = ["--listen-peer-urls", ETCD_PEER, "--initial-advertise-peer-urls", ETCD_PEER];
  const clusterFlags = ["--name", "e", "--initial-cluster", `e=${ETCD_PEER}`];
  const dataFlags = ["--data-dir", join(folder, "etcd"), "--log-level", "error"];
  const etcd = started.use(
    startService(["etcd", ...etcdFlags, ...peerFlags, ...clusterFlags, ...dataFlags]),
  );
  const token = randomBytes(16).toString("hex");
  const server = started.use(startService(apiServer(programs["kube-apiserver"], folder, token)));
  const certificate = join(folder, "certificates", "apiserver.crt");
  await until(
    () => `API server; it said: ${server.log()}; etcd said: ${etcd.log()}`,
    START_MS,
    () => isReady(certificate, token),
  );
  const address = addressOf(certificate, token);
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(address)));
  const config = join(folder, "kwok.yaml");
  writeFileSync(config, KWOK_CONFIG.map((document) => JSON.stringify(document)).join("\n---\n"));
  const kwokFlags = ["--config", config, "--kubeconfig", kubeconfig, "--manage-all-nodes"];
  const addresses = ["--cidr", POD_CIDR, "--node-ip", "10.200.0.1"];
  const leases = ["--node-lease-duration-seconds", "0"];
  const kwok = started.use(
    startService([programs["kwok"] ?? "kwok", ...kwokFlags, ...addresses, ...leases]),
  );
  const running = started.move();
  return {
    address,
    kubeconfig,
    pids: [etcd.pid, server.pid],
    freeze: async () => kwok[Symbol.asyncDispose](),
    log: () => kwok.log(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function apiServer(program = "kube-apiserver", folder: string, token: string): readonly string[] {
  const keys = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "sec1", format: "pem" },
  });
  const [signing, tokens] = [join(folder, "tokens.key"), join(folder, "tokens.csv")];
  writeFileSync(signing, keys.privateKey, { mode: 0o600 });
  writeFileSync(tokens, `${token},bench,1,"system:masters"\n`, { mode: 0o600 });
  // The server makes itself a certificate there.
  const certificates = join(folder, "certificates");
  mkdirSync(certificates);
  return [
    ...["env", API_SERVER_GOGC, program],
    `--etcd-servers=${ETCD}`,
    ...["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=6443"],
    ...[`--cert-dir=${certificates}`, `--token-auth-file=${tokens}`],
    ...[`--service-account-key-file=${signing}`, `--service-account-signing-key-file=${signing}`],
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    ...[`--service-cluster-ip-range=${SERVICE_CIDR}`, "--endpoint-reconciler-type=none"],
    ...["--authorization-mode=RBAC", "--profiling=false"],
  ];
}

function addressOf(certificate: string, token: string): ApiAddress {
  return { server: "https://127.0.0.1:6443", ca: readFileSync(certificate, "utf8"), token };
}

async function isReady(certificate: string, token: string): Promise<boolean> {
  try {
    await using api = new Api(addressOf(certificate, token));
    await api.call({ method: "GET", path: "/api/v1/namespaces/default" });
    return true;
  } catch {
    // Not even a certificate yet, or it does not listen: that is what is waited for.
    return false;
  }
}

function kubeconfigOf({ server, ca, token }: ApiAddress): object {
  const authority = Buffer.from(ca).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "scale", cluster: { server, "certificate-authority-data": authority } }],
    users: [{ name: "bench", user: { token } }],
    contexts: [{ name: "scale", context: { cluster: "scale", user: "bench" } }],
    "current-context": "scale",
  };
}
