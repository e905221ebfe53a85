/** All objects of the simulated cluster, each also as a file in the directory that control watches. */

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type KubeObject, objectRef, refKey } from "../../../control/k8s/api/decode.ts";
import type { ObjectRef } from "../../../control/k8s/api/schema.ts";
import { decodeRaw, type RawObject, type Stored } from "./raw.ts";

/** What put() did. */
export type PutResult = "created" | "configured" | "unchanged";

/** The objects by kind; the single source of truth of a simulation. */
export class ObjectStore {
  readonly #directory: string;
  readonly #objects = new Map<string, Stored>();
  readonly #onChange: () => void;

  /** `onChange` is called after every change, synchronously. */
  constructor(directory: string, onChange: () => void) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.#onChange = onChange;
  }

  /** Adds or replaces an object. Throws when it is invalid; then nothing has changed. */
  put(raw: RawObject): PutResult {
    const stored = decodeRaw(raw);
    const key = refKey(objectRef(stored.object));
    const before = this.#objects.get(key);
    if (before !== undefined && isDeepStrictEqual(before.raw, raw)) return "unchanged";
    this.#objects.set(key, stored);
    this.#write(objectRef(stored.object), raw);
    this.#onChange();
    return before === undefined ? "created" : "configured";
  }

  /** Removes an object; false when there is none. */
  remove(ref: ObjectRef): boolean {
    if (!this.#objects.delete(refKey(ref))) return false;
    rmSync(this.#fileOf(ref), { force: true });
    this.#onChange();
    return true;
  }

  /** The object, or undefined. */
  get(ref: ObjectRef): Stored | undefined {
    return this.#objects.get(refKey(ref));
  }

  /** All objects, in both forms. */
  all(): readonly Stored[] {
    return [...this.#objects.values()];
  }

  /** All objects of one kind, in both forms. */
  stored(kind: string): readonly Stored[] {
    return [...this.#objects.values()].filter((one) => one.object.kind === kind);
  }

  /** All objects of one kind, as the mesh reads them. */
  list<Kind extends KubeObject["kind"]>(
    kind: Kind,
  ): readonly Extract<KubeObject, { kind: Kind }>[] {
    const all = [...this.#objects.values()].map((one) => one.object);
    return all.filter((one): one is Extract<KubeObject, { kind: Kind }> => one.kind === kind);
  }

  /** Written beside and renamed, so that control never reads half a file. */
  #write(ref: ObjectRef, raw: RawObject): void {
    const file = this.#fileOf(ref);
    const beside = join(this.#directory, ".writing");
    writeFileSync(beside, JSON.stringify(raw, null, 1));
    renameSync(beside, file);
  }

  #fileOf(ref: ObjectRef): string {
    const name = [ref.kind, ref.namespace, ref.name].filter((part) => part !== "").join("_");
    return join(this.#directory, `${name}.json`);
  }
}
