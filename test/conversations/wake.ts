/** Waiting inside clients and servers: for what the next event may bring. */

import type { Socket } from "node:net";

/** Wakes who waits for something to happen. */
export class Wake {
  #waiting: (() => void)[] = [];

  /** Something happened. */
  wake(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves when it holds; asked again whenever something happened. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }
}

/** Resolves after so many milliseconds; 0 = after what is due now. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    if (milliseconds > 0) setTimeout(resolve, milliseconds);
    else setImmediate(resolve);
  });
}

/** Most pieces of one message, when each waits for its turn of the loop, and when each waits for a timer. */
const MOST_PIECES = 60;
const MOST_TIMED_PIECES = 10;
/** Pieces written in one turn of the loop, each still by a system call of its own. */
const PIECES_PER_TURN = 6;

/** Cuts bytes into pieces of `size` (0 = one), so that there are not too many, and pauses between them. */
export async function inPieces(
  bytes: Buffer,
  { piece: size, gap }: { readonly piece: number; readonly gap: number },
  write: (piece: Buffer) => Promise<boolean>,
): Promise<boolean> {
  const most = gap > 0 ? MOST_TIMED_PIECES : MOST_PIECES;
  const step = size === 0 ? bytes.length : Math.max(size, Math.ceil(bytes.length / most));
  let count = 0;
  for (let at = 0; at < bytes.length; at += step) {
    if (count > 0 && (gap > 0 || count % PIECES_PER_TURN === 0)) await pause(gap);
    count++;
    if (!(await write(bytes.subarray(at, at + step)))) return false;
  }
  return true;
}

/**
 * Resets a connection, unless its own end is still on its way: libuv refuses that (uv_tcp_close_reset), and Node then
 * keeps the descriptor for ever.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
