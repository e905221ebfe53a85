/** Turns the enums of mesh.h into a TypeScript module, comments included: one place to change a constant. */

/** One enumerator with its value and the comment behind it. */
interface Enumerator {
  readonly name: string;
  readonly value: number;
  readonly comment: string;
}

/** The enum whose enumerators are slots of the kernel's counters, told by name in TypeScript. */
const REASONS = "reason";
/** Ends that enum: how many there are. */
const LAST_REASON = "REASON_COUNT";

const PREAMBLE = `/**
 * Generated from bpf/mesh.h by bpf/build.ts: the constants that the kernel's programs and the agent share.
 * Change mesh.h, then run \`bin/run bpf/build.ts\`.
 */
`;

/** The whole text of layout.gen.ts for a text of mesh.h. Throws on an enum it can't read. */
export function generateLayout(header: string): string {
  const parts = [PREAMBLE];
  for (const [, name = "", body = ""] of header.matchAll(/^enum (\w+) \{([^}]*)\};/gm)) {
    const enumerators = readEnum(body);
    parts.push(name === REASONS ? reasonList(enumerators) : constants(enumerators));
  }
  return parts.join("\n");
}

function readEnum(body: string): Enumerator[] {
  const found: Enumerator[] = [];
  const pattern = /(\w+)(?:\s*=\s*(\w+))?\s*(?:,[ \t]*(?:\/\/ ([^\n]*))?|$)/g;
  for (const [, name = "", text, comment = ""] of body.trim().matchAll(pattern)) {
    const value = text === undefined ? (found.at(-1)?.value ?? -1) + 1 : Number(text);
    if (!Number.isInteger(value)) throw new Error(`mesh.h: ${name} has no plain value`);
    if (comment === "" && name !== LAST_REASON) throw new Error(`mesh.h: ${name} is not explained`);
    found.push({ name, value, comment });
  }
  if (found.length === 0) throw new Error("mesh.h: an enum without enumerators");
  return found;
}

function constants(enumerators: readonly Enumerator[]): string {
  return enumerators
    .map(({ name, value, comment }) => {
      const text = value >= 0x100000 ? `0x${value.toString(16)}` : String(value);
      return `/** ${comment} */\nexport const ${name} = ${text};\n`;
    })
    .join("");
}

function reasonList(enumerators: readonly Enumerator[]): string {
  const lines = enumerators
    .filter(({ name }) => name !== LAST_REASON)
    .map(({ name, comment }) => {
      const reason = name.toLowerCase().replaceAll("_", "-");
      return `  /** ${comment} */\n  "${reason}",\n`;
    });
  return `/** What the programs count, in the order of the slots of \`counters\`. */
export const KERNEL_REASONS = [
${lines.join("")}] as const;

/** One of them. */
export type KernelReason = (typeof KERNEL_REASONS)[number];
`;
}
