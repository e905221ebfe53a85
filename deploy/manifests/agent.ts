/** The agents' DaemonSet. */

import {
  AGENT,
  CONTROL,
  CONTROL_PORT,
  imageReference,
  labelsOf,
  type Manifest,
  ROOT_CONFIG,
  scraped,
  selectorOf,
} from "./meta.ts";
import type { InstallOptions } from "./options.ts";

/** Where kubelet puts token and CA. */
const CREDENTIALS = "/var/run/nodemesh";
/** What kubelet waits beyond the drain before it kills. */
const GRACE_BEYOND_DRAIN_SECONDS = 15;
/** One projected token lives this long; kubelet renews it at four fifths. */
const TOKEN_SECONDS = 3600;

/**
 * Why each is needed: BPF and PERFMON load and attach the programs; NET_ADMIN makes rules, routes and the
 * sockets that keep foreign addresses; SYS_ADMIN enters pods' network namespaces (setns); SYS_PTRACE reads
 * /proc/PID/ns of processes of other users.
 */
const CAPABILITIES = ["BPF", "PERFMON", "NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"];

/** Folders of the node: name, path there, path in the container. */
const HOST_FOLDERS = [
  // A container's own /proc/sys is read-only, and the agent sets sysctls in pods' network namespaces.
  { name: "proc", path: "/proc", mountPath: "/host/proc" },
  { name: "cgroup", path: "/sys/fs/cgroup", mountPath: "/sys/fs/cgroup" },
  { name: "bpf", path: "/sys/fs/bpf", mountPath: "/sys/fs/bpf" },
  { name: "run", path: "/run/nodemesh", mountPath: "/run/nodemesh" },
  { name: "state", path: "/var/lib/nodemesh", mountPath: "/var/lib/nodemesh" },
];

/** The DaemonSet. */
export function agentObjects(options: InstallOptions): readonly Manifest[] {
  const { namespace, image, agent } = options;
  const labels = labelsOf("agent", image.tag);
  return [
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: AGENT, namespace, labels },
      spec: {
        selector: { matchLabels: selectorOf("agent") },
        updateStrategy: {
          type: "RollingUpdate",
          // Never two on one node: the second one refuses.
          rollingUpdate: { maxUnavailable: agent.maxUnavailable, maxSurge: 0 },
        },
        template: {
          metadata: {
            labels: { ...options.labels, ...agent.podLabels, ...labels },
            annotations: {
              ...options.annotations,
              ...agent.podAnnotations,
              ...scraped(agent.metricsPort),
            },
          },
          spec: podSpec(options),
        },
      },
    },
  ];
}

function podSpec(options: InstallOptions): unknown {
  const { agent, image } = options;
  return {
    serviceAccountName: AGENT,
    // It has a token of its own, for control only.
    automountServiceAccountToken: false,
    hostNetwork: true,
    hostPID: true,
    dnsPolicy: "ClusterFirstWithHostNet",
    imagePullSecrets: image.pullSecrets,
    priorityClassName: agent.priorityClass,
    tolerations: agent.tolerations,
    nodeSelector: { ...agent.nodeSelector },
    affinity: agent.affinity,
    terminationGracePeriodSeconds: agent.drainSeconds + GRACE_BEYOND_DRAIN_SECONDS,
    containers: [container(options)],
    volumes: [
      ...HOST_FOLDERS.map(({ name, path }) => ({
        name,
        hostPath: {
          path,
          type:
            path === "/run/nodemesh" || path === "/var/lib/nodemesh"
              ? "DirectoryOrCreate"
              : "Directory",
        },
      })),
      {
        name: "credentials",
        projected: {
          sources: [
            {
              serviceAccountToken: {
                path: "token",
                audience: CONTROL,
                expirationSeconds: TOKEN_SECONDS,
              },
            },
            // Made by control: kubelet starts the agent when it is there.
            {
              configMap: { name: ROOT_CONFIG, items: [{ key: "ca.crt", path: "ca.crt" }] },
            },
          ],
        },
      },
    ],
  };
}

function container(options: InstallOptions): unknown {
  const { image, agent } = options;
  // kubelet shares the node's loopback with the agent; pods do not, and can't take its place in the queue.
  const probed = { host: "127.0.0.1", port: agent.probePort };
  return {
    name: "agent",
    image: imageReference(image.agent, image.tag, image.agentDigest),
    imagePullPolicy: image.pullPolicy,
    args: argumentsOf(options),
    // References are applied as a whole: without the API's defaults in them an upgrade would find them changed.
    env: [
      {
        name: "NODE_NAME",
        valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "spec.nodeName" } },
      },
      {
        // In bytes, and as it is: whoever changes the limit need not know that buffers follow it.
        name: "MEMORY_LIMIT",
        valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "0" } },
      },
    ],
    ports: [{ name: "metrics", containerPort: agent.metricsPort, hostPort: agent.metricsPort }],
    startupProbe: {
      httpGet: { path: "/live", ...probed },
      periodSeconds: 1,
      failureThreshold: 60,
    },
    readinessProbe: { httpGet: { path: "/ready", ...probed }, periodSeconds: 2 },
    livenessProbe: {
      httpGet: { path: "/live", ...probed },
      periodSeconds: 10,
      timeoutSeconds: 5,
    },
    // The agent's last words, for check and kubectl describe: why it refused its node.
    terminationMessagePolicy: "FallbackToLogsOnError",
    resources: {
      requests: agent.requests,
      limits: { memory: agent.memoryLimit, ...(agent.cpuLimit !== "" && { cpu: agent.cpuLimit }) },
    },
    securityContext: {
      runAsUser: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: CAPABILITIES },
      seccompProfile: { type: "RuntimeDefault" },
      // The runtimes' default profile forbids to enter namespaces and to write /proc/sys.
      appArmorProfile: { type: "Unconfined" },
      // The type of containers that manage their node (container-selinux): container_t may neither write the node's
      // folders nor use bpf(2). Level s0 without categories reaches folders of every pod. Without SELinux: ignored.
      seLinuxOptions: { type: "spc_t", level: "s0" },
    },
    volumeMounts: [
      ...HOST_FOLDERS.map(({ name, mountPath }) => ({
        name,
        mountPath,
        // Where the node mounts it later, the agent that waits for it sees it; the agent's own mount would end with it.
        ...(name === "bpf" && { mountPropagation: "HostToContainer" }),
      })),
      { name: "credentials", mountPath: CREDENTIALS, readOnly: true },
    ],
  };
}

function argumentsOf({ namespace, agent }: InstallOptions): readonly string[] {
  const host = `${CONTROL}.${namespace}.svc`;
  return [
    "--node=$(NODE_NAME)",
    `--control=${host}:${CONTROL_PORT}`,
    `--control-ca=${CREDENTIALS}/ca.crt`,
    `--control-token=${CREDENTIALS}/token`,
    `--control-name=${host}`,
    "--proc=/host/proc",
    "--cgroup=auto",
    `--metrics=:${agent.metricsPort}`,
    `--probes=127.0.0.1:${agent.probePort}`,
    `--workers=${agent.workers}`,
    "--memory-limit-bytes=$(MEMORY_LIMIT)",
    `--access-log=${agent.accessLog}`,
    `--trace-endpoint=${agent.traceEndpoint}`,
    `--trace=${agent.trace}`,
    `--drain-timeout-ms=${agent.drainSeconds * 1000}`,
  ];
}
