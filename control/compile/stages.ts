/**
 * How a compilation saves work. It is made of stages, each a pure function of inputs that it names; a stage whose inputs are
 * all the same (===) as in the compilation before is not made again. So a result keeps its identity for as long as nothing
 * that it is made of has changed, and the stages behind it stay as they are too. The first compilation makes everything.
 */

import { isDeepStrictEqual } from "node:util";
import { patched } from "./patched.ts";

/** What a compilation leaves for the next: the inputs and the result of each stage, by the stage's name. */
export type Memo = ReadonlyMap<string, Done>;

/** Before the first compilation. */
export const NO_MEMO: Memo = new Map();

interface Done {
  readonly inputs: readonly unknown[];
  readonly output: unknown;
}

/** The result of one object, beside what it was made of. */
export interface Result<O> {
  readonly output: O;
}

/** The results of a stage with one for each object, by the object's key. */
export type Results<O> = ReadonlyMap<string, Result<O>>;

interface Entry<O> extends Result<O> {
  readonly object: unknown;
  readonly inputs: readonly unknown[];
}

/** A stage with one result for each object of a map. */
export interface EachStage<T, I extends readonly unknown[], O extends object> {
  readonly objects: ReadonlyMap<string, T>;
  /** All that `inputsOf` looks at beside the object: while it is the same, only changed objects are looked at. */
  readonly around: readonly unknown[];
  readonly inputsOf: (object: T, key: string) => I;
  /** Must depend on these inputs alone. */
  readonly make: (inputs: I) => O;
}

/** The stages of one compilation, to be run in the same way in each. */
export class Stages {
  readonly #before: Memo;
  readonly #done = new Map<string, Done>();

  /** `before`: the memo of the compilation before. */
  constructor(before: Memo) {
    this.#before = before;
  }

  /** What to give the next compilation. */
  get memo(): Memo {
    return this.#done;
  }

  /**
   * The result of a stage. `make` must depend on the inputs alone; it gets the result before too, so that it can take over
   * what it makes equally once more.
   */
  once<const I extends readonly unknown[], O>(
    name: string,
    inputs: I,
    make: (inputs: I, before: O | undefined) => O,
  ): O {
    const before = this.#before.get(name);
    // A name is that of one stage, which has results of one type.
    const known = before?.output as O | undefined;
    const output =
      before !== undefined && known !== undefined && sameItems(before.inputs, inputs)
        ? known
        : make(inputs, known);
    return this.#note(name, inputs, output);
  }

  /** The results of a stage with one for each object. Fields that say the same as before are taken over by identity. */
  each<T, const I extends readonly unknown[], O extends object>(
    name: string,
    stage: EachStage<T, I, O>,
  ): Results<O> {
    const { objects, around } = stage;
    const before = this.#before.get(name);
    const old = (before?.output ?? NO_RESULTS) as ReadonlyMap<string, Entry<O>>;
    const settled = before !== undefined && sameItems(before.inputs.slice(1), around);
    const output =
      settled && before.inputs[0] === objects
        ? old
        : patched(old, fresh(stage, old, settled), objects);
    return this.#note(name, [objects, ...around], output);
  }

  #note<O>(name: string, inputs: readonly unknown[], output: O): O {
    if (this.#done.has(name)) throw new Error(`two stages are named ${name}`);
    this.#done.set(name, { inputs, output });
    return output;
  }
}

const NO_RESULTS: ReadonlyMap<string, never> = new Map<string, never>();

/** New results, and those that are not as before. */
function fresh<T, I extends readonly unknown[], O extends object>(
  { objects, inputsOf, make }: EachStage<T, I, O>,
  old: ReadonlyMap<string, Entry<O>>,
  settled: boolean,
): readonly (readonly [string, Entry<O>])[] {
  const made: [string, Entry<O>][] = [];
  for (const [key, object] of objects) {
    const before = old.get(key);
    if (settled && before?.object === object) continue;
    const inputs = inputsOf(object, key);
    if (before !== undefined && before.object === object && sameItems(before.inputs, inputs))
      continue;
    const output = make(inputs);
    const kept = before === undefined ? output : takenOver(before.output, output);
    made.push([key, { object, inputs, output: kept }]);
  }
  return made;
}

/** The new output with each field that says the same as before taken over by identity. */
function takenOver<O extends object>(before: O, now: O): O {
  const fields = Object.entries(now).map(([name, value]: [string, unknown]) => {
    const known: unknown = Reflect.get(before, name);
    return [name, isDeepStrictEqual(known, value) ? known : value];
  });
  // The same fields with equal values: still an O.
  return Object.fromEntries(fields) as O;
}

/** All results, in the order of the objects. */
export function outputs<O>(results: Results<O>): readonly O[] {
  return Array.from(results.values(), ({ output }) => output);
}

/** Whether two lists have the same items (===) in the same order. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

/** `before` when it says the same: the same list of whatever `of` finds in the items. */
export function unlessSame<T>(
  before: readonly T[] | undefined,
  now: readonly T[],
  of: (item: T) => unknown,
): readonly T[] {
  return before !== undefined && sameItems(before.map(of), now.map(of)) ? before : now;
}
