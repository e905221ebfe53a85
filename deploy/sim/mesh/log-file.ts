/** Reading a process's log file piece by piece, while it grows. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Most bytes of one piece, and of what a first look shows: as much as is kept of a container. */
const LIMIT_BYTES = 256 * 1024;

/** A piece of a file. */
export interface FilePiece {
  readonly bytes: Buffer;
  /** Bytes of the file up to the end of this piece: `from` of the next. */
  readonly next: number;
}

/**
 * What the file holds after its first `from` bytes, at most LIMIT_BYTES. Without `from` the last lines, whole. A file
 * that is not there yet is empty; one that is shorter than `from` has begun anew. Throws when it can't be read.
 */
export function readLog(path: string, from?: number): FilePiece {
  const file = openExisting(path);
  if (file === undefined) return { bytes: Buffer.alloc(0), next: 0 };
  try {
    const { size } = fstatSync(file);
    const start = firstByte(size, from);
    const bytes = Buffer.alloc(Math.min(size - start, LIMIT_BYTES));
    const read = readSync(file, bytes, 0, bytes.length, start);
    const piece = bytes.subarray(0, read);
    // The first look may begin in the middle of a line.
    const whole = from === undefined && start > 0 ? piece.subarray(piece.indexOf(10) + 1) : piece;
    return { bytes: whole, next: start + read };
  } finally {
    closeSync(file);
  }
}

function firstByte(size: number, from: number | undefined): number {
  if (from === undefined) return Math.max(0, size - LIMIT_BYTES);
  return from <= size ? from : 0;
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
