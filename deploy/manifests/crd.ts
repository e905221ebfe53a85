/** The definition of our own kind, ServiceMesh (control/k8s/api/service-mesh.ts reads it). */

import { labelsOf, type Manifest } from "./meta.ts";

const text = { type: "string" };
const count = { type: "integer", format: "int64", minimum: 0 };
const named = { type: "string", minLength: 1, maxLength: 253 };

const spec = {
  type: "object",
  description: "Which Services' pods are in the mesh.",
  properties: {
    tracers: {
      type: "array",
      maxItems: 8,
      description: "What is recorded of the intercepted traffic.",
      items: { type: "string", enum: ["http"] },
    },
    intercept: {
      type: "object",
      properties: {
        http: {
          type: "array",
          maxItems: 256,
          description: "Services whose pods are enrolled.",
          items: {
            type: "object",
            required: ["service"],
            properties: {
              name: { ...text, description: "For people; the Service is named below." },
              service: {
                type: "object",
                required: ["name"],
                properties: {
                  name: { ...named, description: "Name of the Service." },
                  namespace: {
                    ...named,
                    description: "Namespace of the Service: this object's own, also when absent.",
                  },
                },
              },
            },
          },
        },
      },
    },
  },
};

const condition = {
  type: "object",
  required: ["type", "status", "lastTransitionTime", "reason", "message"],
  properties: {
    type: text,
    status: { type: "string", enum: ["True", "False", "Unknown"] },
    observedGeneration: count,
    lastTransitionTime: { type: "string", format: "date-time" },
    reason: text,
    message: text,
  },
};

const status = {
  type: "object",
  description: "What the mesh made of it.",
  properties: {
    observedGeneration: count,
    enrolledPods: { ...count, description: "Pods behind all named Services that are in the mesh." },
    services: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "namespace"],
        properties: { name: text, namespace: text, pods: count, enrolled: count },
      },
    },
    conditions: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
      items: condition,
    },
  },
};

/** The CustomResourceDefinition. */
export function serviceMeshDefinition(version: string): Manifest {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "servicemeshes.linkerd.io", labels: labelsOf("control", version) },
    spec: {
      group: "linkerd.io",
      scope: "Namespaced",
      names: {
        kind: "ServiceMesh",
        listKind: "ServiceMeshList",
        plural: "servicemeshes",
        singular: "servicemesh",
      },
      versions: [
        {
          name: "v1alpha2",
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            column("Enrolled", "integer", ".status.enrolledPods"),
            column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
            column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
            // The rest of the cause: kubectl get -o wide.
            {
              ...column("Message", "string", '.status.conditions[?(@.type=="Ready")].message'),
              priority: 1,
            },
            column("Age", "date", ".metadata.creationTimestamp"),
          ],
          schema: {
            openAPIV3Schema: {
              type: "object",
              description: "Enrols the pods behind Services.",
              properties: { spec, status },
            },
          },
        },
      ],
    },
  };
}

function column(name: string, type: string, jsonPath: string): object {
  return { name, type, jsonPath };
}
