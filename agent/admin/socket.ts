/** The place of the admin socket in the file system: only root, never two owners, no leftovers in the way. */

import { once } from "node:events";
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";

/**
 * Listens on a unix socket of mode 0600. A leftover of a dead process is replaced; rejects when somebody
 * listens there, or when the path is something other than a socket. Main thread only (umask is the process's).
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  await removeLeftover(path);
  const listening = once(server, "listening");
  // bind() makes the file in this same turn, so nothing else in the process sees this umask.
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  await listening;
  chmodSync(path, 0o600);
}

async function removeLeftover(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket: move it away`);
  if (await isListening(path))
    throw new Error(`another process listens on ${path}: is an agent already running?`);
  unlinkSync(path);
}

/** Whether anybody accepts connections there. Errors other than "nobody" count as somebody: nothing is deleted in doubt. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
