/**
 * From the API's objects to the little that control keeps of them: a pod's containers shrink to their ports,
 * annotations to those that are read (kubectl keeps whole manifests there), managedFields go. What is not read can't be
 * malformed either.
 */

import { type Decoded, decodeManifest } from "./api/decode.ts";
import type { Resource } from "./resources.ts";

/** Something from outside: any field may be there, as anything. */
type Loose = Readonly<Record<string, unknown>>;

/** What is read of a kind besides metadata; kinds that are not here are metadata alone. */
const PICKS: ReadonlyMap<string, (object: Loose) => Loose> = new Map([
  ["Pod", pickPod],
  ["DaemonSet", ({ spec }: Loose) => ({ spec })],
  ["Service", ({ spec }: Loose) => ({ spec })],
  ["ServiceMesh", ({ spec }: Loose) => ({ spec })],
  [
    "EndpointSlice",
    ({ addressType, endpoints, ports }: Loose) => ({ addressType, endpoints, ports }),
  ],
]);

/** Decodes an item of a list or an event's object. Gives the same again for what it gave. */
export function decodeItem(item: unknown, { apiVersion, kind }: Resource): readonly Decoded[] {
  const object = isLoose(item) ? item : {};
  const { metadata } = object;
  const picked = PICKS.get(kind)?.(object) ?? {};
  return decodeManifest({ ...picked, metadata: pickMeta(metadata, kind), apiVersion, kind });
}

function pickMeta(metadata: unknown, kind: string): unknown {
  if (!isLoose(metadata)) return metadata;
  const { name, namespace, uid, generation, labels, annotations, ownerReferences } = metadata;
  const { creationTimestamp, deletionTimestamp, finalizers } = metadata;
  return {
    name,
    namespace,
    uid,
    generation,
    labels,
    ownerReferences,
    creationTimestamp,
    deletionTimestamp,
    // They come and go on Jobs' pods, where that would be news that nobody reads.
    finalizers: kind === "DaemonSet" ? finalizers : undefined,
    annotations: readWords(annotations),
  };
}

/** The mesh's own words, and those by which a static pod's mirror tells its name on the node. */
const READ_ANNOTATIONS = /^(?:mesh\/|kubernetes\.io\/config\.)/;

function readWords(annotations: unknown): unknown {
  if (!isLoose(annotations)) return annotations;
  const entries = Object.entries(annotations);
  return Object.fromEntries(entries.filter(([name]) => READ_ANNOTATIONS.test(name)));
}

function pickPod({ spec, status }: Loose): Loose {
  return { spec: pickPodSpec(spec), status: pickPodStatus(status) };
}

function pickPodSpec(spec: unknown): unknown {
  if (!isLoose(spec)) return spec;
  const { nodeName, hostNetwork, serviceAccountName, initContainers, containers } = spec;
  return {
    nodeName,
    hostNetwork,
    serviceAccountName,
    initContainers: pickPorts(initContainers),
    containers: pickPorts(containers),
  };
}

function pickPorts(containers: unknown): unknown {
  if (!Array.isArray(containers)) return containers;
  return containers.map((container: unknown) => {
    if (!isLoose(container)) return container;
    const { name, ports, restartPolicy } = container;
    return { name, ports, restartPolicy };
  });
}

function pickPodStatus(status: unknown): unknown {
  if (!isLoose(status)) return status;
  const { phase, podIP, podIPs } = status;
  return { phase, podIP, podIPs };
}

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
