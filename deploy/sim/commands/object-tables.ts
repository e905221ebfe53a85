/** Objects as kubectl's tables show them: one set of columns per kind. Pure. */

import { table } from "../../../control/cli/table.ts";
import { nameOf, type RawObject } from "../cluster/raw.ts";

/** How a table is wanted. */
export interface TableOptions {
  readonly wide: boolean;
  /** With a column for the namespace. */
  readonly namespaces: boolean;
  /** Names with their kind in front. */
  readonly prefixed: boolean;
  readonly nowMs: number;
}

interface Column {
  readonly head: string;
  readonly cell: (raw: RawObject) => string;
  readonly wide?: boolean;
}

/** The lines of a table of objects of one kind. */
export function objectTable(
  objects: readonly RawObject[],
  options: TableOptions,
): readonly string[] {
  const [first] = objects;
  if (first === undefined) return [];
  const columns = [
    ...(options.namespaces && first.metadata.namespace !== undefined ? [NAMESPACE] : []),
    { head: "NAME", cell: (raw: RawObject) => shownName(raw, options) },
    ...(COLUMNS[first.kind] ?? []).filter((column) => options.wide || column.wide !== true),
    { head: "AGE", cell: (raw: RawObject) => age(raw.metadata.creationTimestamp, options.nowMs) },
  ];
  return table(
    columns.map(({ head }) => head),
    objects.map((raw) => columns.map(({ cell }) => cell(raw))),
  );
}

/** `3d`, `5m`, `12s`: the largest unit that gives at least 2, as kubectl rounds. */
export function age(since: string | undefined, nowMs: number): string {
  const began = Date.parse(since ?? "");
  if (Number.isNaN(began)) return "-";
  const seconds = Math.max(0, Math.floor((nowMs - began) / 1_000));
  for (const [unit, size] of AGE_UNITS)
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)}${unit}`;
  return `${seconds}s`;
}

const AGE_UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

const NAMESPACE: Column = { head: "NAMESPACE", cell: (raw) => raw.metadata.namespace ?? "" };

/** The fields that are shown, as Kubernetes writes them; any may be missing. */
interface Shown {
  readonly phase?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly containerStatuses?: readonly ShownContainer[];
  readonly addresses?: readonly { readonly type: string; readonly address: string }[];
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly wanted?: number;
  readonly readyReplicas?: number;
  readonly updatedReplicas?: number;
  readonly availableReplicas?: number;
  readonly succeeded?: number;
}

interface ShownContainer {
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state: { readonly waiting?: { readonly reason: string } };
}

interface ShownPort {
  readonly port?: number;
  readonly protocol?: string;
}

const SCALED: readonly Column[] = [
  { head: "READY", cell: (raw) => `${status(raw).readyReplicas ?? 0}/${status(raw).wanted ?? 0}` },
  { head: "UP-TO-DATE", cell: (raw) => String(status(raw).updatedReplicas ?? 0) },
  { head: "AVAILABLE", cell: (raw) => String(status(raw).availableReplicas ?? 0) },
];

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  Pod: [
    { head: "READY", cell: podReady },
    { head: "STATUS", cell: podState },
    {
      head: "RESTARTS",
      cell: (raw) => String(containers(raw).reduce((sum, one) => sum + one.restartCount, 0)),
    },
    { head: "IP", cell: podAddresses, wide: true },
    { head: "NODE", cell: (raw) => text(raw.spec?.["nodeName"]), wide: true },
  ],
  Deployment: SCALED,
  ReplicaSet: SCALED,
  StatefulSet: SCALED,
  DaemonSet: SCALED,
  Job: [
    { head: "STATUS", cell: (raw) => status(raw).conditions?.[0]?.type ?? "Running" },
    {
      head: "COMPLETIONS",
      cell: (raw) => `${status(raw).succeeded ?? 0}/${raw.spec?.["completions"] ?? 1}`,
    },
  ],
  Service: [
    { head: "TYPE", cell: (raw) => text(raw.spec?.["type"], "ClusterIP") },
    { head: "CLUSTER-IP", cell: (raw) => text(raw.spec?.["clusterIP"]) },
    { head: "PORT(S)", cell: (raw) => ports(raw.spec?.["ports"]) },
    { head: "SELECTOR", cell: (raw) => pairs(raw.spec?.["selector"]), wide: true },
  ],
  EndpointSlice: [
    { head: "ADDRESSTYPE", cell: (raw) => text(raw["addressType"]) },
    { head: "PORTS", cell: (raw) => ports(raw["ports"]) },
    { head: "ENDPOINTS", cell: endpoints },
  ],
  Namespace: [{ head: "STATUS", cell: () => "Active" }],
  Node: [
    { head: "STATUS", cell: () => "Ready" },
    {
      head: "INTERNAL-IP",
      cell: (raw) => (status(raw).addresses ?? []).map(({ address }) => address).join(","),
      wide: true,
    },
  ],
};

function shownName(raw: RawObject, options: TableOptions): string {
  const { name } = raw.metadata;
  return options.prefixed ? nameOf({ kind: raw.kind, name }) : name;
}

function status(raw: RawObject): Shown {
  return (raw["status"] ?? {}) as Shown;
}

function containers(raw: RawObject): readonly ShownContainer[] {
  return status(raw).containerStatuses ?? [];
}

function podReady(raw: RawObject): string {
  const asked = (raw.spec?.["containers"] ?? []) as readonly unknown[];
  const main = containers(raw).slice(-asked.length);
  return `${main.filter(({ ready }) => ready).length}/${asked.length}`;
}

function podState(raw: RawObject): string {
  if (raw.metadata.deletionTimestamp !== undefined) return "Terminating";
  const { phase = "Pending" } = status(raw);
  const waiting = containers(raw).find(({ state }) => state.waiting)?.state.waiting?.reason;
  if (phase === "Succeeded") return "Completed";
  return phase === "Failed" ? "Error" : (waiting ?? phase);
}

function podAddresses(raw: RawObject): string {
  return (status(raw).podIPs ?? []).map(({ ip }) => ip).join(",") || "-";
}

function ports(value: unknown): string {
  const list = (value ?? []) as readonly ShownPort[];
  return list.map(({ port, protocol = "TCP" }) => `${port ?? "*"}/${protocol}`).join(",") || "-";
}

function endpoints(raw: RawObject): string {
  const list = (raw["endpoints"] ?? []) as readonly { readonly addresses: readonly string[] }[];
  return list.flatMap(({ addresses }) => addresses).join(",") || "-";
}

function pairs(value: unknown): string {
  const entries = Object.entries((value ?? {}) as Readonly<Record<string, string>>);
  return entries.map(([key, one]) => `${key}=${one}`).join(",") || "-";
}

function text(value: unknown, absent = "-"): string {
  return typeof value === "string" && value !== "" ? value : absent;
}
