import { readFileSync } from "node:fs";
import { parseObject } from "../../src/core/parse.ts";
import type { ParsedObject, ParsedProgram } from "../../src/core/parsed.ts";
import { loadTarget } from "../../src/load/attach-target.ts";
import { submit } from "../../src/load/load-program.ts";
import { fillMapSlots, prepare } from "../../src/load/prepare.ts";
import { programImage } from "../../src/load/program-image.ts";
import type { Session } from "../../src/load/session.ts";
import { kernelHost } from "../../src/sys/host.ts";
import { hashName, type ObjectVerdict, type ProgramVerdict } from "./verdict.ts";

/** Loads every program of an object with our loader, each judged by itself. */
export function judge(path: string, pinDirectory: string): ObjectVerdict {
  const programs = new Map<string, ProgramVerdict>();
  const unlinked = new Map<string, string>();
  let failure = "";
  try {
    using stack = new DisposableStack();
    const object = parseObject(readFileSync(path));
    const session = prepare(kernelHost(), object, { pinDirectory }, stack);
    fillMapSlots(session);
    for (const program of object.programs.values())
      judgeProgram(session, program, { programs, unlinked });
  } catch (error) {
    failure = describe(error);
  }
  return { path, programs, unlinked, failure };
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function judgeProgram(
  session: Session,
  program: ParsedProgram,
  out: { programs: Map<string, ProgramVerdict>; unlinked: Map<string, string> },
): void {
  const { name } = program;
  try {
    const target = loadTarget(session.object, program);
    const code = programImage(session, program);
    const { result } = submit(session, { program, target, code }, 0);
    if (result >= 0) session.host.syscalls.close(result);
    out.programs.set(name, {
      name,
      errno: result < 0 ? -result : 0,
      hex: normalise(session, code),
    });
  } catch (error) {
    out.unlinked.set(name, describe(error));
  }
}

/** Puts hashes of names in place of map descriptors. */
function normalise(session: Session, code: Uint8Array): string {
  const copy = code.slice();
  const view = new DataView(copy.buffer);
  const names = mapNames(session.object, session);
  for (let at = 0; at < copy.length; at += 8) {
    if (copy[at] !== 0x18) continue;
    const source = (copy[at + 1] ?? 0) >> 4;
    if (source === 1 || source === 2) {
      // A number that assembler code wrote there itself is no map of the object.
      const name = names.get(view.getInt32(at + 4, true));
      view.setInt32(at + 4, name === undefined ? 0 : hashName(name), true);
    }
    at += 8;
  }
  return Buffer.from(copy).toString("hex");
}

function mapNames(object: ParsedObject, session: Session): Map<number, string> {
  // The kernel keeps 15 characters, and the reference knows maps by what the kernel keeps.
  const nameOf = (i: number) => (object.mapList[i]?.name ?? "?").slice(0, 15);
  return new Map(session.maps.map((map, i) => [map.fd, nameOf(i)]));
}
