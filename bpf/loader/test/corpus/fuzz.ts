import { readdirSync } from "node:fs";
import { parseObject } from "../../src/core/parse.ts";
import { InvalidObject } from "../../src/errors.ts";
import { load } from "../../src/load/load.ts";

/** What became of the mutations. Everything but `parsed`, `refused`, `loaded` and `notLoaded` must stay empty. */
export interface FuzzResult {
  mutations: number;
  parsed: number;
  refused: number;
  loaded: number;
  notLoaded: number;
  slowestMs: number;
  leakedDescriptors: number;
  /** Errors that are no refusal: traps above all. */
  faults: string[];
}

/** Which of the mutations are tried, from which seeds. */
export interface FuzzPlan {
  readonly seed: number;
  readonly count: number;
  readonly objects: readonly Uint8Array[];
  /** Every n-th mutation that still parses is also given to the kernel; 0 = none. */
  readonly loadEvery: number;
}

/** Mutates objects at random (xorshift32 from `seed`) and reads them. Deterministic. */
export function fuzz(plan: FuzzPlan): FuzzResult {
  const result = emptyResult();
  const random = makeRandom(plan.seed);
  // Opens what is kept for good (kernel types, native memory) before counting.
  for (const object of plan.objects) attempt(object, true, emptyResult());
  const before = openDescriptors();
  for (let i = 0; i < plan.count; i++) {
    const original = plan.objects[random(plan.objects.length)] ?? new Uint8Array(0);
    const isSample = plan.loadEvery > 0 && i % plan.loadEvery === 0;
    attempt(mutate(original, random), isSample, result);
    result.mutations++;
  }
  result.leakedDescriptors = openDescriptors() - before;
  return result;
}

function emptyResult(): FuzzResult {
  const counts = { mutations: 0, parsed: 0, refused: 0, loaded: 0, notLoaded: 0 };
  return { ...counts, slowestMs: 0, leakedDescriptors: 0, faults: [] };
}

function attempt(bytes: Uint8Array, alsoLoad: boolean, result: FuzzResult): void {
  const start = performance.now();
  try {
    const object = parseObject(bytes);
    result.slowestMs = Math.max(result.slowestMs, performance.now() - start);
    result.parsed++;
    const smallMaps = object.mapList.every(
      (map) => map.maxEntries < 1 << 16 && map.valueSize < 1 << 20,
    );
    if (alsoLoad && smallMaps) attemptLoad(object, result);
  } catch (error) {
    result.slowestMs = Math.max(result.slowestMs, performance.now() - start);
    if (error instanceof InvalidObject) result.refused++;
    else result.faults.push(`parse: ${String(error)}`);
  }
}

/** Any of the package's own errors is a good answer; a trap, or an error of the language, is not. */
function attemptLoad(object: ReturnType<typeof parseObject>, result: FuzzResult): void {
  try {
    load(object)[Symbol.dispose]();
    result.loaded++;
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    const isBug = ["TypeError", "RangeError", "RuntimeError", "ReferenceError", ""].includes(name);
    if (isBug) result.faults.push(`load: ${String(error)}`);
    else result.notLoaded++;
  }
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Numbers below `limit`, from a xorshift generator: the same seed gives the same run. */
function makeRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % Math.max(limit, 1);
  };
}

const INTERESTING = [
  0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
];

/** One to eight changes: bits, bytes, telling words, copied stretches, a cut. */
function mutate(original: Uint8Array, random: (limit: number) => number): Uint8Array {
  // A copy whatever it is: Buffer's slice() would be a view, and mutations would pile up in the seeds.
  const bytes = new Uint8Array(original);
  const view = new DataView(bytes.buffer);
  for (let n = 1 + random(8); n > 0 && bytes.length > 8; n--) {
    const at = random(bytes.length - 4);
    switch (random(5)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        view.setUint32(at, INTERESTING[random(INTERESTING.length)] ?? 0, true);
        break;
      case 3:
        bytes.copyWithin(at, random(bytes.length), random(bytes.length));
        break;
      default:
        // A word near what it was: offsets and counts just off.
        view.setUint32(at, (view.getUint32(at, true) + random(9) - 4) >>> 0, true);
    }
  }
  return random(40) === 0 ? bytes.slice(0, random(bytes.length)) : bytes;
}
