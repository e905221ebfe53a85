/**
 * The simulator's world of every bench: three backends behind two Services, one declared HTTP and one opaque, and the
 * client pods.
 */
import { BACKEND_PORT } from "./backend.ts";

/** The manifests as JSON; `command` starts a backend. */
export function manifests(command: readonly string[]): string {
  const nginx = { name: "nginx", image: "nginx", command };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "backend" },
        spec: {
          replicas: 3,
          selector: { matchLabels: { app: "backend" } },
          template: {
            metadata: { labels: { app: "backend" } },
            spec: { containers: [{ ...nginx, ports: [{ containerPort: BACKEND_PORT }] }] },
          },
        },
      },
      service("backend", "http"),
      service("opaque", "tcp"),
      ...["plain", "meshed", "fresh"].map(clientPod),
    ],
  });
}

function service(name: string, appProtocol: string): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, annotations: { "mesh/load-balancing": "round-robin" } },
    spec: {
      selector: { app: "backend" },
      ports: [{ name: "main", appProtocol, port: 80, targetPort: BACKEND_PORT }],
    },
  };
}

function clientPod(name: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, annotations: name === "meshed" ? { "mesh/enabled": "true" } : {} },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "client", image: "nodemesh/sleep" }],
    },
  };
}
