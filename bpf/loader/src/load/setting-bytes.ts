import type { Extern } from "../core/parsed.ts";
import { KIND, type TypeInfo, type TypeTable } from "../core/types.ts";
import { MissingKernelSymbol } from "../errors.ts";

const TRISTATE: Readonly<Record<string, bigint>> = { n: 0n, y: 1n, m: 2n };
const INT_SIGNED = 1 << 24;
const INT_CHAR = 2 << 24;
const INT_BOOL = 4 << 24;

/**
 * A kernel setting's text (`y`, `m`, `n`, `100`, `0x10`, `"text"`) as the extern's C type has it.
 * Throws `MissingKernelSymbol` when the type can't hold it.
 */
export function settingBytes(one: Extern, types: TypeTable, text: string): Uint8Array {
  const type = types.resolve(one.valueType);
  const out = new Uint8Array(one.size);
  if (text.startsWith('"')) {
    if (type.kind !== KIND.array) throw mismatch(one, text);
    // Cut, so that it stays terminated.
    out.set(Buffer.from(text.slice(1, -1)).subarray(0, one.size - 1));
    return out;
  }
  const value = text in TRISTATE ? switchValue(one, type, text) : numberValue(one, type, text);
  let rest = BigInt.asUintN(64, value);
  for (let i = 0; i < out.length; i++, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

/** `y`, `m`, `n`: a bool (no `m`), a char (the letter) or the documented `enum libbpf_tristate`. */
function switchValue(one: Extern, type: TypeInfo, text: string): bigint {
  if (type.kind === KIND.enum) return TRISTATE[text] ?? 0n;
  const encoding = type.kind === KIND.int ? (type.words[0] ?? 0) : 0;
  if ((encoding & INT_BOOL) !== 0 && text !== "m") return text === "y" ? 1n : 0n;
  const isChar = (encoding & INT_CHAR) !== 0 || (type.kind === KIND.int && one.size === 1);
  if (!isChar || (encoding & INT_BOOL) !== 0) throw mismatch(one, text);
  return BigInt(text.charCodeAt(0));
}

function numberValue(one: Extern, type: TypeInfo, text: string): bigint {
  if (type.kind !== KIND.int) throw mismatch(one, text);
  const negative = text.startsWith("-");
  const value = BigInt(negative ? text.slice(1) : text) * (negative ? -1n : 1n);
  if (!fits(one, type.words[0] ?? 0, value)) throw mismatch(one, text);
  return value;
}

function fits(one: Extern, encoding: number, value: bigint): boolean {
  const bits = one.size * 8;
  if ((encoding & INT_BOOL) !== 0) return value === 0n || value === 1n;
  // 64 bits hold both ways of reading a number.
  if (bits === 64) return BigInt.asUintN(64, value) === value || BigInt.asIntN(64, value) === value;
  const wrapped =
    (encoding & INT_SIGNED) !== 0 ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  return wrapped === value;
}

function mismatch(one: Extern, text: string): MissingKernelSymbol {
  return new MissingKernelSymbol(
    `the kernel's setting ${one.name} is ${text}, which its C type can't hold`,
  );
}
