import type { Collection } from "../api/objects.ts";
import type { LoadOptions } from "../api/options.ts";
import type { CollectionSpec } from "../api/spec.ts";
import { ParsedObject, type ParsedProgram } from "../core/parsed.ts";
import { UnknownName } from "../errors.ts";
import { kernelHost } from "../sys/host.ts";
import { LoadedCollection } from "./collection.ts";
import type { KernelProgram } from "./kernel-program.ts";
import { loadProgram } from "./load-program.ts";
import { fillMapSlots, fillProgramSlots, prepare } from "./prepare.ts";

/**
 * Makes kernel objects of a spec: maps (created, or adopted from their pins), then programs. All or
 * nothing: when anything is refused, everything opened is closed again (new pins stay).
 *
 * Throws `VerifierError`, `MissingAttachTarget`, `MissingKernelSymbol`, `PinMismatch`,
 * `MissingPinDirectory`, `UnknownName`, `ValueOutOfRange`, `UnsupportedFeature`, `SystemError`.
 */
export function load(spec: CollectionSpec, options: LoadOptions = {}): Collection {
  if (!(spec instanceof ParsedObject)) throw new TypeError("load() takes what parse() returned");
  const chosen = chosenPrograms(spec, options);
  using stack = new DisposableStack();
  const session = prepare(kernelHost(), spec, options, stack);
  fillMapSlots(session);
  const programs = new Map<string, KernelProgram>();
  for (const program of chosen) {
    programs.set(program.name, stack.use(loadProgram(session, program)));
  }
  fillProgramSlots(session, programs);
  const maps = new Map(session.maps.map((map) => [map.name, map]));
  stack.move();
  // The kernel keeps the types alive as long as a map or program uses them.
  if (session.btfFd >= 0) session.host.syscalls.close(session.btfFd);
  return new LoadedCollection(programs, maps);
}

function chosenPrograms(spec: ParsedObject, options: LoadOptions): ParsedProgram[] {
  if (options.programs === undefined)
    return [...spec.programs.values()].filter((one) => one.autoload);
  return options.programs.map((name) => {
    const program = spec.programs.get(name);
    if (program === undefined) throw new UnknownName("program", name, spec.programs.keys());
    return program;
  });
}
