/** The last known objects of one collection: turns verdicts into changes and conditions. No I/O. */

import { isDeepStrictEqual } from "node:util";
import type { Change } from "../world.ts";
import type { Condition } from "./api/condition.ts";
import { type Decoded, type Invalid, type KubeObject, objectRef, refKey } from "./api/decode.ts";
import type { ObjectRef } from "./api/schema.ts";

/**
 * What a collection held when last heard of. An object that can't be decoded keeps its last good form and
 * gets a condition, as in a manifest.
 */
export class ObjectCache {
  readonly #objects = new Map<string, KubeObject>();
  readonly #invalid = new Map<string, Invalid>();

  #revision = 0;

  /** Another number whenever conditions may be others. */
  get revision(): number {
    return this.#revision;
  }

  /** How many objects are known. */
  get size(): number {
    return this.#objects.size;
  }

  /** A complete list came: what it does not name is gone. */
  replace(verdicts: Iterable<Decoded>): readonly Change[] {
    const seen = new Set<string>();
    const changes: Change[] = [];
    for (const verdict of verdicts) {
      seen.add(keyOf(verdict));
      changes.push(...this.take(verdict));
    }
    for (const [key, object] of [...this.#objects])
      if (!seen.has(key)) changes.push(...this.remove(objectRef(object)));
    for (const key of [...this.#invalid.keys()]) if (!seen.has(key)) this.#mended(key);
    return changes;
  }

  /** An object was added or changed. Nothing comes of a change in fields that nobody reads. */
  take(verdict: Decoded): readonly Change[] {
    const key = keyOf(verdict);
    if (verdict.kind === "ignored") return [];
    if (verdict.kind === "invalid") {
      this.#invalid.set(key, verdict);
      this.#revision++;
      return [];
    }
    this.#mended(key);
    const { object } = verdict;
    if (isDeepStrictEqual(this.#objects.get(key), object)) return [];
    this.#objects.set(key, object);
    return [{ kind: "apply", object }];
  }

  /** An object was deleted. */
  remove(ref: ObjectRef): readonly Change[] {
    const key = refKey(ref);
    this.#mended(key);
    return this.#objects.delete(key) ? [{ kind: "delete", ref }] : [];
  }

  #mended(key: string): void {
    if (this.#invalid.delete(key)) this.#revision++;
  }

  /** What must be said about objects that can't be read. */
  conditions(): readonly Condition[] {
    return Array.from(this.#invalid.values(), ({ ref, field, problem }) => ({
      ref,
      reason: "invalid-object" as const,
      field,
      problem,
      nextStep: "mend the field; until then the object's last good form is used, if it had one",
    }));
  }
}

function keyOf(verdict: Decoded): string {
  return refKey(verdict.kind === "object" ? objectRef(verdict.object) : verdict.ref);
}
