/** A real file system that is soon full, for tests of what happens then. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressOf, cString, libc } from "../../agent/kernel/ffi.ts";
import { detachMount } from "../../agent/kernel/namespace-calls.ts";

/** A tmpfs of its own. Dispose to unmount and remove it. */
export class SmallDisk implements Disposable {
  /** Where it is mounted. */
  readonly path: string;
  readonly #kilobytes: number;

  /** Mounts an empty one with room for so many KiB. */
  constructor(kilobytes: number) {
    this.#kilobytes = kilobytes;
    this.path = mkdtempSync(join(tmpdir(), "nodemesh-disk-"));
    const [type, target, options] = ["tmpfs", this.path, `size=${kilobytes}k`].map(cString);
    assert.ok(type !== undefined && target !== undefined && options !== undefined);
    const kind = addressOf(type);
    assert.equal(libc.mount(kind, addressOf(target), kind, 0, addressOf(options)), 0);
  }

  /** Leaves no room: a file "ballast" takes it all. */
  fill(): void {
    const all = Buffer.alloc(this.#kilobytes * 1024);
    assert.throws(() => writeFileSync(join(this.path, "ballast"), all), /ENOSPC/);
  }

  /** Gives back what fill() took. */
  empty(): void {
    rmSync(join(this.path, "ballast"));
  }

  [Symbol.dispose](): void {
    detachMount(this.path);
    rmSync(this.path, { recursive: true });
  }
}
