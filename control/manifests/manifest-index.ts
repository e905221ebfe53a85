/** Which file says what: turns re-read files into changes of the world and conditions. No I/O. */

import { isDeepStrictEqual } from "node:util";
import type { Condition } from "../k8s/api/condition.ts";
import { type KubeObject, objectRef, refKey } from "../k8s/api/decode.ts";
import type { ObjectRef } from "../k8s/api/schema.ts";
import type { Change } from "../world.ts";
import { EMPTY_FILE, type ParsedFile } from "./parse.ts";

/** What is known of one file. */
interface FileState {
  readonly objects: ReadonlyMap<string, KubeObject>;
  readonly conditions: readonly Condition[];
}

const UNKNOWN_FILE: FileState = { objects: new Map(), conditions: [] };

/** The objects of all files, with the rules for broken and for doubled ones. */
export class ManifestIndex {
  readonly #files = new Map<string, FileState>();
  /** Which files describe an object, by refKey. Nearly always one. */
  readonly #claims = new Map<string, Set<string>>();

  /**
   * A file was read again. What is broken keeps its last good form: an invalid object its own, a file
   * with syntax errors all objects that the readable rest does not mention.
   */
  update(file: string, parsed: ParsedFile): readonly Change[] {
    const before = this.#files.get(file) ?? UNKNOWN_FILE;
    const objects = new Map<string, KubeObject>();
    const conditions = [...brokenConditions(file, parsed), ...invalidConditions(parsed)];
    for (const object of parsed.objects) {
      const key = refKey(objectRef(object));
      if (objects.has(key)) conditions.push(duplicate(objectRef(object), file));
      // The first one in the file wins, as the first file does.
      else objects.set(key, reuse(before.objects.get(key), object));
    }
    keepLastGood(before, parsed, objects);
    return this.#replace(file, { objects, conditions });
  }

  /** A file went away, with all it described. */
  remove(file: string): readonly Change[] {
    const changes = this.#replace(file, UNKNOWN_FILE);
    this.#files.delete(file);
    return changes;
  }

  /** A file is there but can't be read: its objects stay as they were. */
  unreadable(file: string, problem: string): void {
    const { objects } = this.#files.get(file) ?? UNKNOWN_FILE;
    const conditions = brokenConditions(file, { ...EMPTY_FILE, broken: [problem] });
    this.#files.set(file, { objects, conditions });
  }

  /** How many objects a file described when last read well. */
  sizeOf(file: string): number {
    return this.#files.get(file)?.objects.size ?? 0;
  }

  /** The files known now. */
  files(): IterableIterator<string> {
    return this.#files.keys();
  }

  /** All there is to say about files and their objects. */
  conditions(): readonly Condition[] {
    const doubled: Condition[] = [];
    for (const claims of this.#claims.values()) {
      const [winner, ...losers] = [...claims].sort();
      for (const loser of losers) doubled.push(...this.#doubled(loser, winner ?? "", claims));
    }
    return [...[...this.#files.values()].flatMap((file) => file.conditions), ...doubled];
  }

  *#doubled(loser: string, winner: string, claims: ReadonlySet<string>): Iterable<Condition> {
    for (const [key, object] of this.#files.get(loser)?.objects ?? [])
      if (this.#claims.get(key) === claims) yield duplicate(objectRef(object), loser, winner);
  }

  #replace(file: string, state: FileState): readonly Change[] {
    const before = this.#files.get(file) ?? UNKNOWN_FILE;
    const keys = new Set([...before.objects.keys(), ...state.objects.keys()]);
    const winners = new Map([...keys].map((key) => [key, this.#winner(key)]));
    this.#files.set(file, state);
    const changes: Change[] = [];
    for (const [key, old] of winners) {
      this.#claim(key, file, state.objects.has(key));
      const now = this.#winner(key);
      if (now === old) continue;
      if (now !== undefined) changes.push({ kind: "apply", object: now });
      else if (old !== undefined) changes.push({ kind: "delete", ref: objectRef(old) });
    }
    return changes;
  }

  #claim(key: string, file: string, claims: boolean): void {
    const files = this.#claims.get(key) ?? new Set<string>();
    if (claims) files.add(file);
    else files.delete(file);
    if (files.size > 0) this.#claims.set(key, files);
    else this.#claims.delete(key);
  }

  #winner(key: string): KubeObject | undefined {
    const files = this.#claims.get(key);
    if (files === undefined) return undefined;
    const [first] = files.size === 1 ? files : [...files].sort();
    return first === undefined ? undefined : this.#files.get(first)?.objects.get(key);
  }
}

/** The old object when the new one says the same: identity is how the compiler sees change. */
function reuse(before: KubeObject | undefined, now: KubeObject): KubeObject {
  return before !== undefined && isDeepStrictEqual(before, now) ? before : now;
}

function keepLastGood(before: FileState, parsed: ParsedFile, into: Map<string, KubeObject>): void {
  for (const { ref } of parsed.invalid) {
    const key = refKey(ref);
    const good = before.objects.get(key);
    if (good !== undefined && !into.has(key)) into.set(key, good);
  }
  if (parsed.broken.length === 0) return;
  for (const [key, object] of before.objects) if (!into.has(key)) into.set(key, object);
}

function brokenConditions(file: string, parsed: ParsedFile): readonly Condition[] {
  return parsed.broken.map((problem) => ({
    ref: { kind: "File", namespace: "", name: file },
    reason: "unreadable-file" as const,
    field: "",
    problem,
    nextStep: "mend the file; until then what it said last is used",
  }));
}

function invalidConditions(parsed: ParsedFile): readonly Condition[] {
  return parsed.invalid.map(({ ref, field, problem }) => ({
    ref,
    reason: "invalid-object" as const,
    field,
    problem,
    nextStep: "mend the field; until then the object's last good form is used, if it had one",
  }));
}

function duplicate(ref: ObjectRef, loser: string, winner: string = loser): Condition {
  return {
    ref,
    reason: "duplicate-object",
    field: "",
    problem: `${loser} describes it too, but ${winner} wins`,
    nextStep: "describe each object once",
  };
}
