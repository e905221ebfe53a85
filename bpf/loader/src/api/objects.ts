/** The definition the kernel keeps of a map. Sizes are bytes, `type` is `bpf_map_type`. */
export interface MapDefinition {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** An open map. Owns its descriptor; disposing closes it (a pin keeps the map itself alive). */
export interface MapHandle extends Disposable {
  readonly name: string;
  readonly fd: number;
  readonly definition: MapDefinition;
  /** The kernel's id of the map. */
  readonly id: number;
  /** Makes a name for it on a bpffs. Throws `SystemError` (`EEXIST` when the name is taken). */
  pin(path: string): void;
  /** Removes the name made by `pin` or by `pinDirectory`; a missing name is not an error. */
  unpin(path: string): void;
  /** No user space writes from now on. */
  freeze(): void;
}

/** A loaded program. Owns its descriptor. */
export interface Program extends Disposable {
  readonly name: string;
  readonly fd: number;
  /** The kernel's `bpf_prog_type` and `bpf_attach_type` numbers. */
  readonly type: number;
  readonly attachType: number;
  /** The kernel's id of the program. */
  readonly id: number;
  /** Hash of the instructions, 16 hex digits: equal tags mean the same code. */
  readonly tag: string;
  pin(path: string): void;
}

/** What `load()` made. Disposing closes every program and every map it opened, not its pins. */
export interface Collection extends Disposable {
  readonly programs: ReadonlyMap<string, Program>;
  readonly maps: ReadonlyMap<string, MapHandle>;
  /** The program of that name; throws `UnknownName`. */
  program(name: string): Program;
  /** The map of that name; throws `UnknownName`. Data sections are there under their section's name. */
  map(name: string): MapHandle;
}

/** An attached program. Disposing closes the descriptor, which detaches it unless it is pinned. */
export interface Link extends Disposable {
  readonly fd: number;
  readonly id: number;
  /** Id of the program that is attached now. */
  readonly programId: number;
  /** Puts another program in place atomically: traffic never runs without one. */
  update(program: Program): void;
  /** Keeps the attachment alive after this process. */
  pin(path: string): void;
  /** Removes the pin at `path`; the attachment lives on while this link is open. */
  unpin(path: string): void;
  /** Detaches now, even when pinned. */
  detach(): void;
}
