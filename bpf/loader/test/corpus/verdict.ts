/** One program as a loader treated it, comparable across loaders. */
export interface ProgramVerdict {
  readonly name: string;
  /** errno of the kernel's refusal, 0 = loaded. */
  readonly errno: number;
  /** Instructions as given to the kernel in hex, map descriptors replaced by hashes of map names. */
  readonly hex: string;
}

/** What a loader did with an object file. */
export interface ObjectVerdict {
  readonly path: string;
  readonly programs: ReadonlyMap<string, ProgramVerdict>;
  /** Programs the loader itself refused before asking the kernel, with the reason. */
  readonly unlinked: ReadonlyMap<string, string>;
  /** Why the whole object was refused, empty when it was not. */
  readonly failure: string;
}

/** FNV-1a of a map's name, as reference.c computes it. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash & 0x7fffffff;
}

/** Reads the lines reference.c prints. */
export function readVerdicts(text: string): ObjectVerdict[] {
  const out: ObjectVerdict[] = [];
  for (const block of text.split(/^object /m).slice(1)) {
    const [path = "", ...lines] = block.trimEnd().split("\n");
    const programs = new Map<string, ProgramVerdict>();
    const unlinked = new Map<string, string>();
    let failure = "";
    for (const line of lines) {
      const [kind, name = "", errno = "0", hex = ""] = line.split(" ");
      if (kind === "program") programs.set(name, { name, errno: Number(errno), hex });
      else if (kind === "unlinked") unlinked.set(name, "libbpf");
      else failure = line;
    }
    out.push({ path, programs, unlinked, failure });
  }
  return out;
}
