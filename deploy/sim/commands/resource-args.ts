/** kubectl's ways to name objects: `pod NAME`, `pod/NAME`, `deploy/a svc/b`, `pods -l app=x`, `pod --all`. Pure. */

import { InvalidArgumentError } from "commander";
import type { Target } from "../api/protocol.ts";

/** Names, short names and plurals of the kinds the simulator knows. */
const KINDS: ReadonlyMap<string, string> = new Map(
  (
    [
      ["Pod", ["pod", "pods", "po"]],
      [
        "Deployment",
        ["deployment", "deployments", "deploy", "deployment.apps", "deployments.apps"],
      ],
      ["StatefulSet", ["statefulset", "statefulsets", "sts", "statefulset.apps"]],
      ["DaemonSet", ["daemonset", "daemonsets", "ds", "daemonset.apps"]],
      ["ReplicaSet", ["replicaset", "replicasets", "rs", "replicaset.apps"]],
      ["Service", ["service", "services", "svc"]],
      ["EndpointSlice", ["endpointslice", "endpointslices", "endpointslice.discovery.k8s.io"]],
      ["Namespace", ["namespace", "namespaces", "ns"]],
      ["Node", ["node", "nodes", "no"]],
      ["ConfigMap", ["configmap", "configmaps", "cm"]],
      ["ServiceAccount", ["serviceaccount", "serviceaccounts", "sa"]],
      ["Job", ["job", "jobs", "job.batch", "jobs.batch"]],
      ["ServiceMesh", ["servicemesh", "servicemeshes", "servicemesh.linkerd.io"]],
    ] as const
  ).flatMap(([kind, names]) => names.map((name) => [name, kind] as const)),
);

/** What -n, -l and --all said. */
export interface Scope {
  readonly namespace: string;
  readonly selector?: string | undefined;
  readonly all?: boolean | undefined;
}

/** The kind of a word; throws InvalidArgumentError that lists the known ones. */
export function kindOf(word: string): string {
  const kind = KINDS.get(word.toLowerCase());
  if (kind === undefined)
    throw new InvalidArgumentError(
      `the simulator doesn't have a resource type "${word}"; it has: ${[...new Set(KINDS.values())].join(", ").toLowerCase()}`,
    );
  return kind;
}

/** Whether a word names a kind. */
export function isKind(word: string): boolean {
  return KINDS.has(word.toLowerCase());
}

/** What `all` stands for, as in kubectl: what runs, not all there is. */
const ALL_KINDS = ["Pod", "Service", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet", "Job"];

/** What a kind without names, -l or --all means to a verb. */
export type KindAlone = "kind-alone-is-an-error" | "kind-alone-means-all";

/** The targets of a verb's resource arguments. Throws InvalidArgumentError when they say nothing, or two things. */
export function parseTargets(
  words: readonly string[],
  scope: Scope,
  kindAlone: KindAlone = "kind-alone-is-an-error",
): readonly Target[] {
  const [first = ""] = words;
  const base = {
    namespace: scope.namespace,
    selector: parseSelector(scope.selector),
    all: scope.all === true,
  };
  const selective = scope.selector !== undefined || base.all;
  if (first === "")
    throw new InvalidArgumentError("say which object: pod NAME, deploy/NAME, or pod -l KEY=VALUE");
  if (scope.selector !== undefined && base.all)
    throw new InvalidArgumentError("-l and --all can't be used together");
  if (words.some((word) => word.includes("/"))) {
    if (selective) throw new InvalidArgumentError("a name and -l or --all can't be used together");
    return words.map((word) => ({ ...base, ...slashed(word) }));
  }
  const kinds = first.split(",").flatMap((word) => (word === "all" ? ALL_KINDS : kindOf(word)));
  const names = words.slice(1);
  if (names.length > 0 && selective)
    throw new InvalidArgumentError("a name and -l or --all can't be used together");
  if (names.length === 0 && !selective && kindAlone === "kind-alone-is-an-error")
    throw new InvalidArgumentError(`say which ${kinds.join(", ")}: a name, -l KEY=VALUE, or --all`);
  return kinds.map((kind) => ({ ...base, kind, names }));
}

/** One object of a verb that takes just one; a bare name is a pod. */
export function parseOne(word: string, namespace: string): Target {
  const named = word.includes("/") ? slashed(word) : { kind: "Pod", names: [word] };
  return { ...named, namespace, selector: {}, all: false };
}

/** `a=b,c==d` as equalities; throws InvalidArgumentError on other operators. */
export function parseSelector(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {};
  const pairs = text.split(",").map((part) => {
    const match = /^([A-Za-z0-9._/-]+)==?([A-Za-z0-9._-]*)$/.exec(part.trim());
    if (match === null)
      throw new InvalidArgumentError(
        `"${part}" is not KEY=VALUE; other selectors are not supported`,
      );
    return [match[1] ?? "", match[2] ?? ""] as const;
  });
  return Object.fromEntries(pairs);
}

/** Splits arguments of annotate and label into objects and changes: `KEY=VALUE` sets, `KEY-` removes. */
export function parseMarks(words: readonly string[]): {
  readonly resources: readonly string[];
  readonly changes: Readonly<Record<string, string | null>>;
} {
  const isChange = (word: string): boolean => word.includes("=") || /^[A-Za-z0-9].*-$/.test(word);
  const resources = words.filter((word) => !isChange(word));
  const changes = words.filter(isChange).map(parseChange);
  if (changes.length === 0)
    throw new InvalidArgumentError("say what to set: KEY=VALUE, or KEY- to remove");
  for (const [key] of changes)
    if (!QUALIFIED_NAME.test(key))
      throw new InvalidArgumentError(
        `"${key}" is not a key: letters, digits, -, _ and ., after PREFIX/ if any`,
      );
  return { resources, changes: Object.fromEntries(changes) };
}

/** Keys of labels and annotations: an optional DNS name and a slash, then at most 63 characters. */
const QUALIFIED_NAME =
  /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Throws InvalidArgumentError when one of the changes is no label. */
export function refuseBadLabels(changes: Readonly<Record<string, string | null>>): void {
  for (const [key, value] of Object.entries(changes))
    if (value !== null && !LABEL_VALUE.test(value))
      throw new InvalidArgumentError(
        `${key}: "${value}" is no value of a label: at most 63 letters, digits, -, _ and .`,
      );
}

function parseChange(word: string): readonly [string, string | null] {
  const at = word.indexOf("=");
  return at < 0 ? [word.slice(0, -1), null] : [word.slice(0, at), word.slice(at + 1)];
}

function slashed(word: string): Pick<Target, "kind" | "names"> {
  const [kind = "", name = "", ...rest] = word.split("/");
  if (name === "" || rest.length > 0) throw new InvalidArgumentError(`"${word}" is not KIND/NAME`);
  return { kind: kindOf(kind), names: [name] };
}
