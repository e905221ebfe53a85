/** `apply`: what a user wrote joins what is known, as kubectl's client-side apply does. Pure but for the store. */

import { isDeepStrictEqual } from "node:util";
import { objectRef } from "../../../control/k8s/api/decode.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { nameOf, type RawMeta, type RawObject, type Stored } from "../cluster/raw.ts";
import { needsAddress, withAddress } from "../cluster/service-addresses.ts";
import { checked, shortcomings } from "./check.ts";
import type { Reply } from "./protocol.ts";

/** Where the last applied form is kept, so that a field that a user deletes really goes. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Applies all objects, Namespaces first. One line per object; the invalid ones are problems and change nothing. */
export function applyObjects(
  cluster: Cluster,
  objects: readonly RawObject[],
  namespace: string,
): Reply {
  const lines: string[] = [];
  const problems: string[] = [];
  const ordered = objects.toSorted(
    (a, b) => Number(b.kind === "Namespace") - Number(a.kind === "Namespace"),
  );
  for (const raw of ordered) {
    try {
      lines.push(applyOne(cluster, raw, namespace));
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { lines, problems, warnings: ordered.flatMap(shortcomings) };
}

function applyOne(cluster: Cluster, written: RawObject, namespace: string): string {
  const ref = objectRef(checked(placed(written, namespace)).object);
  if (
    ref.namespace !== "" &&
    cluster.store.get({ kind: "Namespace", namespace: "", name: ref.namespace }) === undefined
  )
    throw new Error(
      `${nameOf(ref)}: namespace "${ref.namespace}" not found; apply a Namespace object first`,
    );
  const before = cluster.store.get(ref);
  const next = addressed(cluster, merge(placed(written, namespace), before));
  return `${nameOf(ref)} ${cluster.store.put(next)}`;
}

/** A Service gets its addresses at once: one that it can't have is its own problem, and nobody else's later. */
function addressed(cluster: Cluster, raw: RawObject): RawObject {
  if (raw.kind !== "Service" || !needsAddress(raw)) return raw;
  return withAddress(raw, cluster.clusterIps());
}

/** The object with its namespace written out. */
function placed(raw: RawObject, namespace: string): RawObject {
  if (raw.kind === "Namespace" || raw.kind === "Node" || raw.metadata?.namespace !== undefined)
    return raw;
  return { ...raw, metadata: { ...raw.metadata, namespace } };
}

/**
 * The new form: what the user wrote, plus what others added since (annotations, labels, addresses, status),
 * minus what the user wrote before and no longer does.
 */
function merge(written: RawObject, before: Stored | undefined): RawObject {
  const applied = { [LAST_APPLIED]: JSON.stringify(written) };
  if (before === undefined)
    return {
      ...written,
      metadata: {
        creationTimestamp: new Date().toISOString(),
        ...newPodUid(written),
        ...written.metadata,
        annotations: { ...written.metadata.annotations, ...applied },
      },
    };
  const { raw } = before;
  const last = lastApplied(raw);
  if (raw.kind === "Pod") refusePodChange(written, raw, last);
  const merged = mergeTexts(written.metadata.labels, raw.metadata.labels, last?.metadata.labels);
  const labels = Object.keys(merged).length === 0 ? {} : { labels: merged };
  return {
    ...raw,
    ...written,
    ...(raw["status"] === undefined ? {} : { status: raw["status"] }),
    metadata: {
      ...raw.metadata,
      ...written.metadata,
      ...labels,
      annotations: {
        ...mergeTexts(
          written.metadata.annotations,
          raw.metadata.annotations,
          last?.metadata.annotations,
        ),
        ...applied,
      },
    },
    ...(written.spec === undefined ? {} : { spec: mergeSpec(written, raw) }),
  };
}

/** A bare pod is a process already: its spec can't change under it. */
function refusePodChange(
  written: RawObject,
  current: RawObject,
  last: RawObject | undefined,
): void {
  if (last !== undefined && !isDeepStrictEqual(last.spec, written.spec))
    throw new Error(
      `pod/${current.metadata.name}: a pod's spec can't be changed; delete it first: nodemesh sim delete pod ${current.metadata.name}`,
    );
}

/** What the cluster filled in stays unless the user says otherwise. */
function mergeSpec(written: RawObject, current: RawObject): Readonly<Record<string, unknown>> {
  const keep = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "nodeName", "replicas"];
  const kept = keep.filter((field) => current.spec?.[field] !== undefined);
  return {
    ...Object.fromEntries(kept.map((field) => [field, current.spec?.[field]])),
    ...written.spec,
  };
}

function mergeTexts(
  written: RawMeta["labels"],
  current: RawMeta["labels"],
  last: RawMeta["labels"],
): Readonly<Record<string, string>> {
  const kept = Object.entries(current ?? {}).filter(([key]) => last?.[key] === undefined);
  return { ...Object.fromEntries(kept), ...written };
}

function lastApplied(raw: RawObject): RawObject | undefined {
  const text = raw.metadata.annotations?.[LAST_APPLIED];
  return text === undefined ? undefined : (JSON.parse(text) as RawObject);
}

function newPodUid(raw: RawObject): { readonly uid?: string } {
  return raw.kind === "Pod" ? { uid: crypto.randomUUID() } : {};
}
