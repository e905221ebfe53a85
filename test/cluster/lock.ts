/**
 * One change of a cluster at a time: the lock is an abstract unix socket, which the kernel gives to one process only
 * and takes back when that process ends, however it ends.
 */

import { once } from "node:events";
import { createServer } from "node:net";
import { PREFIX } from "./spec.ts";

/** Takes the lock of that name until disposed of or the process ends. Throws when another process holds it. */
export async function takeLock(name: string): Promise<Disposable> {
  const lock = createServer((visitor) => visitor.destroy());
  lock.listen(`\0${PREFIX}/${name}`);
  try {
    await once(lock, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error(
      `cluster "${name}" is just being brought up, taken down or tested in by another process: try again, or take another with --name OTHER`,
    );
  }
  lock.unref();
  return { [Symbol.dispose]: () => void lock.close() };
}
