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
      ["EndpointSlice", ["endpointslice", "endpointslices"]],
      ["Namespace", ["namespace", "namespaces", "ns"]],
      ["Node", ["node", "nodes", "no"]],
      ["ConfigMap", ["configmap", "configmaps", "cm"]],
      ["ServiceAccount", ["serviceaccount", "serviceaccounts", "sa"]],
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

/** The targets of a verb's resource arguments. Throws InvalidArgumentError when they say nothing, or two things. */
export function parseTargets(words: readonly string[], scope: Scope): readonly Target[] {
  const [first = ""] = words;
  const base = {
    namespace: scope.namespace,
    selector: parseSelector(scope.selector),
    all: scope.all === true,
  };
  const selective = scope.selector !== undefined || base.all;
  if (first === "")
    throw new InvalidArgumentError("say which object: pod NAME, deploy/NAME, or pod -l KEY=VALUE");
  if (first.includes("/")) {
    if (selective) throw new InvalidArgumentError("a name and -l or --all can't be used together");
    return words.map((word) => ({ ...base, ...slashed(word) }));
  }
  const kind = kindOf(first);
  const names = words.slice(1);
  if (names.length > 0 && selective)
    throw new InvalidArgumentError("a name and -l or --all can't be used together");
  if (names.length === 0 && !selective)
    throw new InvalidArgumentError(`say which ${kind}: a name, -l KEY=VALUE, or --all`);
  return [{ ...base, kind, names }];
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
  return { resources, changes: Object.fromEntries(changes) };
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
