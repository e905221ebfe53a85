/** From the status that an object should have to the one to write, if any; pure. */

import { isDeepStrictEqual } from "node:util";

/** A condition as Kubernetes has them; the time is added when it is written. */
export interface StatusCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** Which ServiceMesh should say what. */
export interface WantedStatus {
  readonly namespace: string;
  readonly name: string;
  /** Plain JSON without times; `conditions` get theirs here. */
  readonly status: { readonly conditions: readonly StatusCondition[] };
}

/**
 * The status to write over `current`, which comes from the API as it is; undefined when that says the same.
 * A condition keeps the time at which its `status` last changed.
 */
export function nextStatus(
  current: unknown,
  { status }: WantedStatus,
  now: string,
): Readonly<Record<string, unknown>> | undefined {
  const before = isRecord(current) ? current : {};
  const known = Array.isArray(before.conditions) ? before.conditions.filter(isRecord) : [];
  const conditions = status.conditions.map((condition) => {
    const same = known.find(
      (old) => old.type === condition.type && old.status === condition.status,
    );
    const since = same?.lastTransitionTime;
    return { ...condition, lastTransitionTime: typeof since === "string" ? since : now };
  });
  const next = { ...status, conditions };
  return isDeepStrictEqual(plain(before), plain(next)) ? undefined : next;
}

interface Loose {
  readonly conditions?: unknown;
  readonly type?: unknown;
  readonly status?: unknown;
  readonly lastTransitionTime?: unknown;
}

function isRecord(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is left after a way through JSON, where undefined is absent. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
