/**
 * The control plane of a cluster: its command lines, its network namespace with the bridge of the nodes, and what
 * it needs in the API. Must never open a port outside of the cluster's own namespaces.
 *
 * This file: the command lines and configuration files, pure values.
 */

import { join } from "node:path";
import { API_PORT, CONTROL, DNS_SERVICE, families, POD_NET, SERVICE_NET } from "../plan.ts";
import type { ClusterPaths, ClusterSpec } from "../spec.ts";

/** The programs of the control plane, in the order in which they are started. */
export const CONTROL_COMPONENTS = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "coredns",
] as const;

/** One of them. */
export type ControlComponent = (typeof CONTROL_COMPONENTS)[number];

/** How long a node may be silent until it counts as gone: short, so that tests of lost nodes end soon. */
const NODE_GRACE_SECONDS = 20;
/** Pods of a lost node are evicted after this. */
const TOLERATION_SECONDS = 300;

const ETCD_URL = "http://127.0.0.1:2379";
const ETCD_PEER_URL = "http://127.0.0.1:2380";

/** Files that the control plane reads, by name in the cluster's folder `config`. */
export function controlFiles(paths: ClusterPaths): Readonly<Record<string, string>> {
  return {
    "audit-policy.yaml": JSON.stringify({
      apiVersion: "audit.k8s.io/v1",
      kind: "Policy",
      omitStages: ["RequestReceived"],
      rules: [{ level: "Metadata" }],
    }),
    Corefile: `.:53 {
    errors
    ready :8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig ${join(paths.pki, "coredns.kubeconfig")}
        pods insecure
        ttl 5
    }
    cache 5
}
`,
  };
}

/** The command line of a component of the control plane. */
export function controlCommand(
  component: ControlComponent,
  paths: ClusterPaths,
  spec: ClusterSpec,
): readonly string[] {
  const program = spec.programs[component];
  if (program === undefined) throw new Error(`${paths.spec}: programs: ${component} is missing`);
  return [program, ...FLAGS[component](paths, spec)];
}

const FLAGS: Readonly<
  Record<ControlComponent, (paths: ClusterPaths, spec: ClusterSpec) => readonly string[]>
> = {
  etcd: ({ etcd }) => [
    "--name=etcd",
    `--data-dir=${etcd}`,
    `--listen-client-urls=${ETCD_URL}`,
    `--advertise-client-urls=${ETCD_URL}`,
    `--listen-peer-urls=${ETCD_PEER_URL}`,
    `--initial-advertise-peer-urls=${ETCD_PEER_URL}`,
    `--initial-cluster=etcd=${ETCD_PEER_URL}`,
  ],
  "kube-apiserver": apiServerFlags,
  "kube-controller-manager": ({ pki }, { dualStack }) => [
    ...client(pki, "kube-controller-manager"),
    "--leader-elect=false",
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${join(pki, "accounts.key")}`,
    `--root-ca-file=${join(pki, "ca.crt")}`,
    "--profiling=false",
    // The tool gives nodes their pods' range itself, so that it can write their CNI configuration before they start.
    "--allocate-node-cidrs=false",
    `--cluster-cidr=${families(POD_NET, dualStack).join(",")}`,
    `--service-cluster-ip-range=${families(SERVICE_NET, dualStack).join(",")}`,
    `--node-monitor-grace-period=${NODE_GRACE_SECONDS}s`,
    "--concurrent-service-syncs=1",
    // Instead of 15 s: there are few, and tests wait for it.
    "--horizontal-pod-autoscaler-sync-period=2s",
  ],
  "kube-scheduler": ({ pki }) => [
    ...client(pki, "kube-scheduler"),
    "--leader-elect=false",
    "--profiling=false",
  ],
  coredns: ({ config }) => ["-conf", join(config, "Corefile")],
};

function apiServerFlags(paths: ClusterPaths, spec: ClusterSpec): readonly string[] {
  const pem = (name: string) => join(paths.pki, name);
  const audit = [
    `--audit-policy-file=${join(paths.config, "audit-policy.yaml")}`,
    `--audit-log-path=${paths.auditLog}`,
  ];
  return [
    `--etcd-servers=${ETCD_URL}`,
    // All addresses of its own network namespace: the nodes' bridge and the link to the main namespace.
    "--bind-address=0.0.0.0",
    `--advertise-address=${CONTROL.v4}`,
    `--secure-port=${API_PORT}`,
    `--tls-cert-file=${pem("apiserver.crt")}`,
    `--tls-private-key-file=${pem("leaf.key")}`,
    `--client-ca-file=${pem("ca.crt")}`,
    `--kubelet-client-certificate=${pem("kubelet-client.crt")}`,
    `--kubelet-client-key=${pem("leaf.key")}`,
    "--kubelet-preferred-address-types=InternalIP",
    `--proxy-client-cert-file=${pem("front-proxy.crt")}`,
    `--proxy-client-key-file=${pem("leaf.key")}`,
    `--requestheader-client-ca-file=${pem("ca.crt")}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    // No kube-proxy here: aggregated APIs and webhooks are reached at their pods.
    "--enable-aggregator-routing=true",
    `--service-account-key-file=${pem("accounts.pub")}`,
    `--service-account-signing-key-file=${pem("accounts.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-cluster-ip-range=${families(SERVICE_NET, spec.dualStack).join(",")}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--profiling=false",
    `--default-not-ready-toleration-seconds=${TOLERATION_SECONDS}`,
    `--default-unreachable-toleration-seconds=${TOLERATION_SECONDS}`,
    ...(spec.audit ? audit : []),
  ];
}

function client(pki: string, name: string): readonly string[] {
  const config = join(pki, `${name}.kubeconfig`);
  return [
    `--kubeconfig=${config}`,
    `--authentication-kubeconfig=${config}`,
    `--authorization-kubeconfig=${config}`,
    "--bind-address=127.0.0.1",
  ];
}

/** Cluster DNS in the API: CoreDNS runs beside the API server, so its Service has endpoints written by hand. */
export function dnsObjects(dualStack: boolean): readonly ApiObject[] {
  const ports = [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53, protocol: "TCP" },
  ];
  const rule = (group: string, ...resources: readonly string[]) => ({
    apiGroups: [group],
    resources,
    verbs: ["list", "watch"],
  });
  const name = "system:coredns";
  const rbac = "rbac.authorization.k8s.io";
  const slices = (["v4", "v6"] as const).slice(0, dualStack ? 2 : 1).map((family) => ({
    path: "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices",
    body: {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: `kube-dns-${family}`,
        labels: {
          "kubernetes.io/service-name": "kube-dns",
          "endpointslice.kubernetes.io/managed-by": "nodemesh-cluster",
        },
      },
      addressType: family === "v4" ? "IPv4" : "IPv6",
      endpoints: [{ addresses: [CONTROL[family]], conditions: { ready: true } }],
      ports,
    },
  }));
  return [
    {
      path: `/apis/${rbac}/v1/clusterroles`,
      body: {
        apiVersion: `${rbac}/v1`,
        kind: "ClusterRole",
        metadata: { name },
        rules: [
          rule("", "endpoints", "services", "pods", "namespaces"),
          rule("discovery.k8s.io", "endpointslices"),
        ],
      },
    },
    {
      path: `/apis/${rbac}/v1/clusterrolebindings`,
      body: {
        apiVersion: `${rbac}/v1`,
        kind: "ClusterRoleBinding",
        metadata: { name },
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name },
        subjects: [{ apiGroup: rbac, kind: "User", name }],
      },
    },
    {
      path: "/api/v1/namespaces/kube-system/services",
      body: {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "kube-dns", labels: { "k8s-app": "kube-dns" } },
        spec: {
          clusterIP: DNS_SERVICE.v4,
          clusterIPs: families(DNS_SERVICE, dualStack),
          ipFamilyPolicy: dualStack ? "RequireDualStack" : "SingleStack",
          ports,
        },
      },
    },
    ...slices,
  ];
}

/** An object to make, and the collection to which it is posted. */
export interface ApiObject {
  readonly path: string;
  readonly body: unknown;
}
