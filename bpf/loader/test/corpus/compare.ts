import type { ObjectVerdict, ProgramVerdict } from "./verdict.ts";

/** One program that the two loaders treat differently. */
export interface Difference {
  readonly object: string;
  readonly program: string;
  readonly reason: string;
}

/** The sums of a comparison. `agreeing` programs are identical in code and have the same verdict. */
export interface Comparison {
  compared: number;
  identical: number;
  sameVerdict: number;
  agreeing: number;
  differences: Difference[];
}

/** An empty comparison to add objects to. */
export function noComparison(): Comparison {
  return { compared: 0, identical: 0, sameVerdict: 0, agreeing: 0, differences: [] };
}

/** Adds every program of `reference` (what libbpf linked) to the sums. */
export function compareObject(
  sums: Comparison,
  reference: ObjectVerdict,
  ours: ObjectVerdict,
): void {
  const object = reference.path.split("/").at(-1) ?? reference.path;
  for (const wanted of reference.programs.values()) {
    sums.compared++;
    const found = ours.programs.get(wanted.name);
    const reason = found === undefined ? missingReason(ours, wanted.name) : differ(wanted, found);
    if (found?.hex === wanted.hex) sums.identical++;
    if (found !== undefined && isSameVerdict(wanted, found)) sums.sameVerdict++;
    if (reason === "") sums.agreeing++;
    else sums.differences.push({ object, program: wanted.name, reason });
  }
}

function missingReason(ours: ObjectVerdict, name: string): string {
  return ours.failure || ours.unlinked.get(name) || "not found in the object";
}

function isSameVerdict(a: ProgramVerdict, b: ProgramVerdict): boolean {
  return (a.errno === 0) === (b.errno === 0);
}

/** Empty when both agree. */
function differ(wanted: ProgramVerdict, found: ProgramVerdict): string {
  if (wanted.hex !== found.hex) {
    let at = 0;
    while (wanted.hex.slice(at, at + 16) === found.hex.slice(at, at + 16)) at += 16;
    const [theirs, own] = [wanted.hex, found.hex].map((hex) => hex.slice(at, at + 32) || "(end)");
    return `instruction ${at / 16}: libbpf ${theirs}, ours ${own}`;
  }
  return isSameVerdict(wanted, found)
    ? ""
    : `verdict: libbpf errno ${wanted.errno}, ours ${found.errno}`;
}
