/**
 * What an upgrade changes: the objects of an installation compared with those in the cluster. Fields that only the
 * cluster has were filled in by the API server or by others, and stay, but for those that were applied last time:
 * they go. Pure.
 */

import { visible } from "#model/visible.ts";
import { quantityOf } from "../../../deploy/manifests/quantity.ts";
import { appliedForm, isRecord } from "./applied.ts";

/** One field that is going to have another value. */
export interface FieldChange {
  /** For example `spec.template.spec.containers[agent].image`. */
  readonly path: string;
  /** undefined: it is not there yet. */
  readonly from: unknown;
  /** undefined: it goes. */
  readonly to: unknown;
}

/** What becomes of one object. */
export type ObjectChange =
  | { readonly kind: "created"; readonly object: string }
  | { readonly kind: "unchanged"; readonly object: string }
  | { readonly kind: "changed"; readonly object: string; readonly fields: readonly FieldChange[] }
  /** It is no part of the installation any more. Applying leaves it there; `command` deletes it. */
  | { readonly kind: "removed"; readonly object: string; readonly command: string };

/** Compares an object with what the cluster has of it; undefined = nothing. `object` names it for people. */
export function changesOf(object: string, wanted: unknown, live: unknown): ObjectChange {
  if (live === undefined) return { kind: "created", object };
  const fields = [
    ...differences(wanted, live, ""),
    ...losses({ applied: appliedForm(live), wanted, live }, ""),
  ];
  return fields.length === 0 ? { kind: "unchanged", object } : { kind: "changed", object, fields };
}

/** The lines that tell of all changes, the last one with their number. */
export function changeLines(changes: readonly ObjectChange[]): readonly string[] {
  const lines = changes.flatMap((change) => {
    if (change.kind === "unchanged") return [];
    if (change.kind === "created") return [`${change.object}: new`];
    if (change.kind === "removed")
      return [`${change.object}: removed, but stays until you say: ${change.command}`];
    return change.fields.map(
      ({ path, from, to }) => `${change.object}: ${path}: ${text(from)} -> ${text(to)}`,
    );
  });
  const count = (kind: ObjectChange["kind"]): number =>
    changes.filter((change) => change.kind === kind).length;
  const total = `${count("created")} new, ${count("changed")} changed, ${count("unchanged")} unchanged`;
  return [...lines.map(visible), `${total}, ${count("removed")} removed`];
}

/** A dashboard's JSON is no line to read. */
const LONGEST_SHOWN = 1_000;

function text(value: unknown): string {
  if (value === undefined) return "(none)";
  const shown = JSON.stringify(value);
  return shown.length > LONGEST_SHOWN ? `(${shown.length} characters)` : shown;
}

function differences(wanted: unknown, live: unknown, path: string): readonly FieldChange[] {
  if (wanted === undefined) return [];
  if (Array.isArray(wanted) && Array.isArray(live)) return listDifferences(wanted, live, path);
  if (isRecord(wanted) && isRecord(live))
    return Object.entries(wanted).flatMap(([name, value]) =>
      differences(value, live[name], path === "" ? name : `${path}.${name}`),
    );
  // An empty object or list and none are one to Kubernetes.
  if (isEmpty(wanted) && isEmpty(live)) return [];
  return same(wanted, live) ? [] : [{ path, from: live, to: wanted }];
}

/** Lists of named things are compared name by name, others as a whole. */
function listDifferences(
  wanted: readonly unknown[],
  live: readonly unknown[],
  path: string,
): readonly FieldChange[] {
  const names = wanted.map(nameOf);
  if (wanted.length === 0 || names.includes(undefined))
    return sameList(wanted, live) ? [] : [{ path, from: live, to: wanted }];
  return wanted.flatMap((one, index) => {
    const name = names[index] ?? "";
    return differences(one, named(live, name), `${path}[${name}]`);
  });
}

/** A value as it was applied, as it is to be, and as it is. */
interface Versions {
  readonly applied: unknown;
  readonly wanted: unknown;
  readonly live: unknown;
}

/** What was applied, is there still, and is not wanted any more. */
function losses({ applied, wanted, live }: Versions, path: string): readonly FieldChange[] {
  if (isEmpty(applied) || isEmpty(live)) return [];
  if (wanted === undefined) return [{ path, from: live, to: undefined }];
  if (isRecord(applied) && isRecord(wanted) && isRecord(live))
    return Object.entries(applied).flatMap(([name, value]) =>
      losses(
        { applied: value, wanted: wanted[name], live: live[name] },
        path === "" ? name : `${path}.${name}`,
      ),
    );
  if (!Array.isArray(applied) || !Array.isArray(wanted) || !Array.isArray(live)) return [];
  // Lists without names are compared as a whole, above; so is what becomes empty.
  if (wanted.length === 0) return [];
  return applied.flatMap((one) => {
    const name = nameOf(one);
    if (name === undefined) return [];
    const versions = { applied: one, wanted: named(wanted, name), live: named(live, name) };
    return losses(versions, `${path}[${name}]`);
  });
}

/** The thing of that name in a list. */
function named(list: readonly unknown[], name: string): unknown {
  return list.find((one) => nameOf(one) === name);
}

function sameList(wanted: readonly unknown[], live: readonly unknown[]): boolean {
  return (
    wanted.length === live.length &&
    wanted.every((one, index) => differences(one, live[index], "").length === 0)
  );
}

/** What tells a thing of a list from the others. */
function nameOf(value: unknown): string | undefined {
  return isRecord(value) && typeof value["name"] === "string" ? value["name"] : undefined;
}

/** Quantities are written in several ways: 0.5 and 500m are one. */
function same(wanted: unknown, live: unknown): boolean {
  if (wanted === live) return true;
  if (typeof wanted !== "string" || typeof live !== "string") return false;
  const number = quantityOf(wanted);
  return number !== undefined && number === quantityOf(live);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isRecord(value) && Object.keys(value).length === 0;
}
