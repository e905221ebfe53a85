import type { Collection, MapHandle, Program } from "../api/objects.ts";
import { UnknownName } from "../errors.ts";

/** What `load()` returns: programs and maps by name, closed together, programs first. */
export class LoadedCollection implements Collection {
  readonly programs: ReadonlyMap<string, Program>;
  readonly maps: ReadonlyMap<string, MapHandle>;

  constructor(programs: ReadonlyMap<string, Program>, maps: ReadonlyMap<string, MapHandle>) {
    this.programs = programs;
    this.maps = maps;
  }

  program(name: string): Program {
    const program = this.programs.get(name);
    if (program === undefined) throw new UnknownName("loaded program", name, this.programs.keys());
    return program;
  }

  map(name: string): MapHandle {
    const map = this.maps.get(name);
    if (map === undefined) throw new UnknownName("map", name, this.maps.keys());
    return map;
  }

  [Symbol.dispose](): void {
    for (const program of this.programs.values()) program[Symbol.dispose]();
    for (const map of this.maps.values()) map[Symbol.dispose]();
  }
}
