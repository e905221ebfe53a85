import { readFileSync } from "node:fs";
import { InvalidObject } from "../errors.ts";
import { TapeReader } from "./tape.ts";

/** The part of the platform's WebAssembly used here (the configured libraries don't declare it). */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => CompiledModule;
  readonly Instance: new (module: CompiledModule, imports: object) => { readonly exports: unknown };
};
type CompiledModule = { readonly kind?: "module" };

/** What assembly/index.ts exports. Pointers are byte offsets in `memory`. */
interface CoreExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  reserve(size: number): number;
  reset(): void;
  parseObject(at: number, size: number): number;
  openTarget(at: number, size: number): number;
  openObjectTypes(at: number, size: number): number;
  relocate(code: number, codeSize: number, records: number, count: number): number;
  findTarget(name: number, length: number, kind: number): number;
  compatible(localId: number, targetId: number): number;
  describeTarget(id: number): number;
  sanitiseTypes(at: number, size: number, lacking: number): number;
}

let compiled: CompiledModule | undefined;

/** One instance of the core with its own memory. Cheap (about 0.1 ms); garbage collected. */
export class Core {
  readonly #exports: CoreExports;

  constructor() {
    compiled ??= new WebAssembly.Module(
      readFileSync(new URL("../../wasm/loader-core.wasm", import.meta.url)),
    );
    const instance = new WebAssembly.Instance(compiled, {});
    this.#exports = instance.exports as CoreExports;
  }

  /** Bytes of memory it holds; it never shrinks. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  /** Forgets all inputs. */
  reset(): void {
    this.#exports.reset();
  }

  /** Reads an object file; throws `InvalidObject`. */
  parseObject(bytes: Uint8Array): TapeReader {
    return this.#answer(this.#exports.parseObject(this.#put(bytes), bytes.length));
  }

  /** Opens the kernel's BTF for `relocate`, `findTarget`, `describeTarget`. */
  openTarget(bytes: Uint8Array): void {
    this.#answer(this.#exports.openTarget(this.#put(bytes), bytes.length));
  }

  /** Opens an object's BTF for `relocate` and `isCompatible`. */
  openObjectTypes(bytes: Uint8Array): void {
    this.#answer(this.#exports.openObjectTypes(this.#put(bytes), bytes.length));
  }

  /** Applies CO-RE records (four u32 each) to instructions; returns the new instructions. */
  relocate(code: Uint8Array, records: Uint32Array): Uint8Array {
    const codeAt = this.#put(code);
    const recordsAt = this.#put(
      new Uint8Array(records.buffer, records.byteOffset, records.byteLength),
    );
    const count = records.length / 4;
    return this.#answer(this.#exports.relocate(codeAt, code.length, recordsAt, count)).bytes();
  }

  /** Id of the kernel's type of that name and BTF kind, 0 when there is none. */
  findTarget(name: string, kind: number): number {
    const bytes = Buffer.from(name);
    return this.#exports.findTarget(this.#put(bytes), bytes.length, kind);
  }

  /** Is the object's type compatible with the kernel's, by CO-RE's rules? */
  isCompatible(localId: number, targetId: number): boolean {
    return this.#exports.compatible(localId, targetId) === 1;
  }

  describeTarget(id: number): TapeReader {
    return this.#answer(this.#exports.describeTarget(id));
  }

  /** A copy of a BTF blob without the kinds that `lacking` names (assembly/sanitise.ts). */
  sanitise(bytes: Uint8Array, lacking: number): Uint8Array {
    const at = this.#put(bytes);
    this.#answer(this.#exports.sanitiseTypes(at, bytes.length, lacking));
    return new Uint8Array(this.#exports.memory.buffer, at, bytes.length).slice();
  }

  #put(bytes: Uint8Array): number {
    const at = this.#exports.reserve(bytes.length);
    new Uint8Array(this.#exports.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  #answer(at: number): TapeReader {
    const { buffer } = this.#exports.memory;
    const length = new DataView(buffer).getUint32(at, true);
    const tape = new TapeReader(new Uint8Array(buffer, at + 4, length));
    if (tape.u32() !== 0) throw new InvalidObject(tape.text());
    return tape;
  }
}
