/** A child cgroup of this test process's own, below wherever cgroup v2 is mounted. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

let made = 0;

/** Makes the cgroup; with `join()` this process and its later children are in it. Disposing moves back and removes it. */
export class CgroupLab implements Disposable {
  readonly path: string = join(root(), `nodemesh-test-${process.pid}-${made++}`);
  readonly #home: string = join(root(), own());

  constructor() {
    mkdirSync(this.path);
  }

  /** Moves this process in. */
  join(): void {
    writeFileSync(join(this.path, "cgroup.procs"), String(process.pid));
  }

  /** Moves a process out, to where this one came from. */
  expel(pid: number): void {
    writeFileSync(join(this.#home, "cgroup.procs"), String(pid));
  }

  [Symbol.dispose](): void {
    this.expel(process.pid);
    rmdirSync(this.path);
  }
}

function root(): string {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(text("/proc/self/mountinfo"))?.[1];
  if (mount === undefined) throw new Error("no cgroup v2 is mounted");
  return mount;
}

function own(): string {
  return /^0::(\/.*)$/m.exec(text("/proc/self/cgroup"))?.[1] ?? "/";
}

function text(path: string): string {
  return readFileSync(path, "utf8");
}
