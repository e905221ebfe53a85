/** The control plane's objects. */

import {
  CONTROL,
  CONTROL_METRICS_PORT,
  CONTROL_PORT,
  imageReference,
  labelsOf,
  type Manifest,
  scraped,
  selectorOf,
} from "./meta.ts";
import type { InstallOptions } from "./options.ts";

/** Service, disruption budget and Deployment of control. */
export function controlObjects(options: InstallOptions): readonly Manifest[] {
  const { namespace, image, control } = options;
  const labels = labelsOf("control", image.tag);
  const metadata = { name: CONTROL, namespace, labels };
  const matchLabels = selectorOf("control");
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: {
        selector: matchLabels,
        ports: [{ name: "agents", port: CONTROL_PORT, targetPort: "agents" }],
      },
    },
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata,
      spec: { maxUnavailable: 1, selector: { matchLabels } },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: control.replicas,
        selector: { matchLabels },
        // One more before one less: a single replica would else be away meanwhile.
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          metadata: {
            labels: { ...options.labels, ...control.podLabels, ...labels },
            annotations: {
              ...options.annotations,
              ...control.podAnnotations,
              ...scraped(CONTROL_METRICS_PORT),
            },
          },
          spec: podSpec(options),
        },
      },
    },
  ];
}

function podSpec({ image, control, namespace }: InstallOptions): unknown {
  return {
    serviceAccountName: CONTROL,
    priorityClassName: control.priorityClass,
    terminationGracePeriodSeconds: 10,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      seccompProfile: { type: "RuntimeDefault" },
    },
    imagePullSecrets: image.pullSecrets,
    tolerations: control.tolerations,
    nodeSelector: { ...control.nodeSelector },
    affinity: control.affinity,
    containers: [
      {
        name: "control",
        image: imageReference(image.control, image.tag, image.controlDigest),
        imagePullPolicy: image.pullPolicy,
        args: [
          "--kubernetes",
          `--namespace=${namespace}`,
          "--identity=$(POD_NAME)",
          `--listen=:${CONTROL_PORT}`,
          `--metrics=:${CONTROL_METRICS_PORT}`,
        ],
        // fieldRef is applied as a whole: without its default version an upgrade would find it changed.
        env: [
          {
            name: "POD_NAME",
            valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } },
          },
        ],
        ports: [
          { name: "agents", containerPort: CONTROL_PORT },
          { name: "metrics", containerPort: CONTROL_METRICS_PORT },
        ],
        readinessProbe: { httpGet: { path: "/ready", port: "metrics" }, periodSeconds: 2 },
        livenessProbe: {
          httpGet: { path: "/live", port: "metrics" },
          periodSeconds: 10,
          timeoutSeconds: 5,
          initialDelaySeconds: 10,
        },
        resources: {
          requests: control.requests,
          limits: {
            memory: control.memoryLimit,
            ...(control.cpuLimit !== "" && { cpu: control.cpuLimit }),
          },
        },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
      },
    ],
  };
}
