/**
 * One supervisor per name: the lock is an abstract unix socket, which the kernel gives to one process only
 * and takes back when that process ends, however it ends.
 */

import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { PREFIX, type SimPaths } from "./paths.ts";

/** Takes the lock of a simulation until the process ends. Throws an Error when another process holds it. */
export async function takeLock(sim: SimPaths): Promise<Server> {
  const lock = createServer((visitor) => visitor.destroy());
  lock.listen(`\0${PREFIX}/${sim.name}`);
  try {
    await once(lock, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error(
      `a simulation named "${sim.name}" is just being started or taken down by another process: try again, or choose another with --name OTHER`,
    );
  }
  // It must not keep a process alive that has nothing else to do.
  lock.unref();
  return lock;
}
