import type { Extern, ParsedObject } from "../core/parsed.ts";
import { KIND, type TypeTable } from "../core/types.ts";
import { MissingKernelSymbol } from "../errors.ts";
import { kernelTypes } from "../kernel/kernel-types.ts";
import { kernelSettings, kernelVersionCode } from "../kernel/settings.ts";
import { kernelSymbols } from "../kernel/symbols.ts";
import type { ResolvedExtern } from "./session.ts";
import { settingBytes } from "./setting-bytes.ts";

/**
 * Finds what the running kernel has for each extern. Throws `MissingKernelSymbol` for one that is
 * needed (not weak) and missing. Settings are written into `kconfig`, the contents of that map.
 */
export function resolveExterns(
  object: ParsedObject,
  kconfig: Uint8Array | undefined,
): ResolvedExtern[] {
  const names = object.externs.filter(isTypeless).map((one) => one.name);
  const symbols = names.length === 0 ? new Map<string, bigint>() : kernelSymbols(new Set(names));
  return object.externs.map((one) => {
    if (one.isKconfig) return resolveSetting(one, object.types, kconfig);
    if (isTypeless(one)) return resolveAddress(one, symbols);
    return resolveTyped(one, object);
  });
}

function isTypeless(one: Extern): boolean {
  return !one.isKconfig && !one.isFunction && one.valueType === 0;
}

function missing(one: Extern, where: string): ResolvedExtern {
  if (one.weak) return { kind: "missing" };
  throw new MissingKernelSymbol(
    `the running kernel has no ${where} "${one.name}" (mark it __weak to go on without)`,
  );
}

/** Settings that are no CONFIG_: what libbpf documents under "LINUX_". */
function virtualSetting(name: string): string | undefined {
  if (name === "LINUX_KERNEL_VERSION") return String(kernelVersionCode());
  if (name === "LINUX_HAS_SYSCALL_WRAPPER" || name === "LINUX_HAS_BPF_COOKIE") return "1";
  return undefined;
}

function resolveSetting(
  one: Extern,
  types: TypeTable,
  kconfig: Uint8Array | undefined,
): ResolvedExtern {
  const text = virtualSetting(one.name) ?? kernelSettings().get(one.name);
  const place = kconfig?.subarray(one.offset, one.offset + one.size);
  if (text === undefined) {
    if (!one.weak) missing(one, "setting");
    // A weak setting that is missing reads as zero.
    return { kind: "setting", offset: one.offset };
  }
  place?.set(settingBytes(one, types, text));
  return { kind: "setting", offset: one.offset };
}

function resolveAddress(one: Extern, symbols: ReadonlyMap<string, bigint>): ResolvedExtern {
  const address = symbols.get(one.name);
  return address === undefined ? missing(one, "symbol") : { kind: "address", address };
}

/** The name without its `___flavor`. */
function essentialName(name: string): string {
  return /^(.*[^_])___[^_]/.exec(name)?.[1] ?? name;
}

function resolveTyped(one: Extern, object: ParsedObject): ResolvedExtern {
  const kernel = kernelTypes();
  const kind = one.isFunction ? KIND.func : KIND.variable;
  const id = kernel.findTarget(essentialName(one.name), kind);
  if (id === 0) return missing(one, one.isFunction ? "function" : "variable");
  kernel.openObjectTypes(object.btf);
  const target = kernelTypeRef(id);
  if (!kernel.isCompatible(typeBehind(one, object), target)) {
    if (one.weak) return { kind: "missing" };
    throw new MissingKernelSymbol(
      `the kernel's "${one.name}" has another type than the program expects`,
    );
  }
  return one.isFunction ? { kind: "function", typeId: id } : { kind: "variable", typeId: id };
}

function typeBehind(one: Extern, object: ParsedObject): number {
  return one.isFunction ? object.types.get(one.typeId).ref : one.valueType;
}

function kernelTypeRef(id: number): number {
  const tape = kernelTypes().describeTarget(id);
  tape.u32();
  tape.text();
  return tape.u32();
}
