/** What the loader's tests share: fixtures, a bpffs and a cgroup of the test's own, both removed by `using`. */
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBpffs, unmountBpffs } from "../src/sys/pins.ts";

/** The bytes of a committed fixture object. */
export function fixture(name: string): Uint8Array {
  return readFileSync(join(import.meta.dirname, "fixtures", `${name}.bpf.o`));
}

/** A new bpffs under the temporary directory. */
export class PinLab implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "loader-pins-"));

  constructor() {
    ensureBpffs(this.path);
  }

  [Symbol.dispose](): void {
    unmountBpffs(this.path);
    rmSync(this.path, { recursive: true });
  }
}

let cgroups = 0;

/** A child cgroup, with this process in it until disposal. */
export class CgroupHome implements Disposable {
  readonly path: string;
  readonly #before: string;

  constructor() {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    const root = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(mounts)?.[1];
    if (root === undefined) throw new Error("no cgroup v2 is mounted");
    const own = /^0::(\/.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
    this.#before = join(root, own);
    this.path = join(root, `loader-test-${process.pid}-${cgroups++}`);
    mkdirSync(this.path);
    writeFileSync(join(this.path, "cgroup.procs"), String(process.pid));
  }

  [Symbol.dispose](): void {
    writeFileSync(join(this.#before, "cgroup.procs"), String(process.pid));
    rmdirSync(this.path);
  }
}
