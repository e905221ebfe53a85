/**
 * Runs inside a pod and makes the C library's calls that a test names: one JSON line per call on stdin, one
 * with the result on stdout. For what Node's own sockets don't do: splice(2), urgent bytes, Fast Open, MSG_PEEK….
 * Calls block this program, so each end of a connection needs a driver of its own.
 */

import { createInterface } from "node:readline";
import { addressOf, lastErrno, libc } from "../../../agent/kernel/ffi.ts";
import type { LibcArgument, LibcCall, LibcResult } from "./libc-protocol.ts";

/** Calls without a wrapper in agent/kernel/ffi.ts, by architecture. Missing arguments are 0. */
const SYSCALLS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  x64: { openat: 257, sendfile: 40, ppoll: 271 },
  arm64: { openat: 56, sendfile: 71, ppoll: 73 },
};

function run({ name, args }: LibcCall): LibcResult {
  const rooms: Uint8Array[] = [];
  const words = args.map((arg) => toWord(arg, rooms));
  const result = invoke(name, words);
  // Read at once: the next call into libc may change it.
  const errno = result < 0 ? lastErrno() : 0;
  return { result, errno, rooms: rooms.map((room) => Buffer.from(room).toString("base64")) };
}

function invoke(name: string, words: readonly number[]): number {
  const number = SYSCALLS[process.arch]?.[name];
  if (number !== undefined) {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
    return libc.syscall(number, a, b, c, d, e, f);
  }
  const call = (libc as unknown as Record<string, ((...words: number[]) => number) | undefined>)[
    name
  ];
  if (call === undefined) throw new Error(`no call of that name: ${name}`);
  return call(...words);
}

/** Memory stays alive as long as `rooms` or the map of addressOf holds it: until the call is over. */
function toWord(arg: LibcArgument, rooms: Uint8Array[]): number {
  if (typeof arg === "number") return arg;
  // Never out of Buffer's pool: the address must be that of these bytes alone.
  const room =
    "room" in arg ? new Uint8Array(arg.room) : Uint8Array.from(Buffer.from(arg.bytes, "base64"));
  rooms.push(room);
  return addressOf(room);
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, command } = JSON.parse(line) as { id: number; command: LibcCall };
  process.stdout.write(`${JSON.stringify({ id, result: run(command) })}\n`);
});
process.stdin.on("end", () => process.exit(0));
