import type { ParsedProgram } from "../core/parsed.ts";

/** Where the verifier stopped and the line that says why. */
export interface Refusal {
  readonly instruction: number;
  readonly source: string;
  readonly telling: string;
}

const INSTRUCTION = /^(\d+): \(/;
/** Lines that end every log and tell nothing. */
const NOISE = /^(processed \d+ insns|verification time|stack depth|mark_precise|$)/;

/** Finds the last instruction and the last telling line of a verifier log. */
export function readRefusal(program: ParsedProgram, btf: Uint8Array, log: string): Refusal {
  const lines = log.split("\n");
  const telling =
    lines.findLast(
      (line) => !NOISE.test(line) && !INSTRUCTION.test(line) && !line.startsWith(";"),
    ) ?? "";
  const last = lines.findLast((line) => INSTRUCTION.test(line));
  const instruction = last === undefined ? -1 : Number(INSTRUCTION.exec(last)?.[1] ?? -1);
  const source = instruction < 0 ? "" : sourceLine(program, btf, instruction);
  return { instruction, source, telling };
}

/** `file:line: text` of the line information at or before an instruction. */
export function sourceLine(program: ParsedProgram, btf: Uint8Array, instruction: number): string {
  const info = program.lineInfo;
  let found = -1;
  for (let i = 0; i + 3 < info.length; i += 4) {
    const at = info[i] ?? 0;
    if (at <= instruction && (found < 0 || at >= (info[found] ?? 0))) found = i;
  }
  if (found < 0) return "";
  const file = stringAt(btf, info[found + 1] ?? 0);
  const text = stringAt(btf, info[found + 2] ?? 0).trim();
  return `${file}:${(info[found + 3] ?? 0) >>> 10}${text === "" ? "" : `: ${text}`}`;
}

function stringAt(btf: Uint8Array, offset: number): string {
  if (btf.length < 24) return "";
  const view = new DataView(btf.buffer, btf.byteOffset, btf.length);
  const start = view.getUint32(4, true) + view.getUint32(16, true) + offset;
  const end = btf.indexOf(0, start);
  return Buffer.from(btf.subarray(start, end < 0 ? start : end)).toString("utf8");
}
