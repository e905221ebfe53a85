/** The folder of a run of this bench: etcd's data, certificates, tokens. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../test/support/is-alive.ts";

/** A folder's name tells the process it belongs to. */
const NAME = /^nodemesh-scale-(\d+)-\w{6}$/;

/**
 * Makes this process a folder in `base`. What runs that were killed have left there is removed first: in /dev/shm it
 * takes memory until the machine is started anew.
 */
export function ownFolder(base: string): string {
  for (const name of readdirSync(base)) {
    const [, pid] = NAME.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(join(base, name), { recursive: true, force: true });
  }
  return mkdtempSync(join(base, `nodemesh-scale-${process.pid}-`));
}
