/** Objects that tests make: pods of the echo image, so that everything that they run is there. */

import type { KubeObject } from "./cluster.ts";

/** The image with an HTTP server, Node, curl and a shell. */
export const ECHO_IMAGE = "nodemesh/echo:0.1.0";

/** What may differ from a plain pod that serves HTTP on port 8080. */
export interface PodWish {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly node?: string;
  /** More fields of the container. */
  readonly container?: KubeObject;
  /** More fields of the pod's spec. */
  readonly spec?: KubeObject;
}

/** What a pod and a Deployment's template have in common. */
export interface PodTemplate {
  readonly metadata: KubeObject;
  readonly spec: KubeObject;
}

/** The pod's template, as for a Deployment. */
export function podTemplate({ labels, annotations, node, container, spec }: PodWish): PodTemplate {
  return {
    metadata: { labels, annotations },
    spec: {
      terminationGracePeriodSeconds: 2,
      ...(node !== undefined && { nodeName: node }),
      ...spec,
      containers: [
        {
          name: "main",
          image: ECHO_IMAGE,
          imagePullPolicy: "IfNotPresent",
          ports: [{ name: "http", containerPort: 8080 }],
          readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 },
          ...container,
        },
      ],
    },
  };
}

/** A pod alone. */
export function pod(wish: PodWish): KubeObject {
  const { metadata, spec } = podTemplate(wish);
  const { namespace, name } = wish;
  return { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, namespace, name }, spec };
}

/** A Service for pods with the label `app`; port 80 leads to 8080 unless said otherwise. */
export function service(namespace: string, name: string, over: KubeObject = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: {
      selector: { app: name },
      ports: [{ name: "http", port: 80, targetPort: 8080 }],
      ...over,
    },
  };
}

/** A Deployment with its Service: pods that answer as `name`. */
export function echoServer(
  wish: PodWish,
  replicas: number,
  strategy: KubeObject = {},
): readonly KubeObject[] {
  const { namespace, name } = wish;
  const labels = { app: name, ...wish.labels };
  const env = [
    { name: "SERVICE", value: name },
    { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
  ];
  const template = podTemplate({ ...wish, labels, container: { env, ...wish.container } });
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace, name },
      spec: { replicas, selector: { matchLabels: { app: name } }, template, ...strategy },
    },
    service(namespace, name),
  ];
}
