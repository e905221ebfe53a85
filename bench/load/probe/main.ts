/**
 * Tells when new connections of this pod begin or cease to be redirected. Opens one after the other and reads
 * the mark that the kernel's program gave the socket in connect(): what the application got, not what anybody
 * says. Each is used for one request, so "redirected" also means "answered".
 * Arguments: ADDRESS PORT PATH. Prints a line of JSON at each change; ends with its input.
 */
import { addressOf, lastErrno, libc } from "../../../agent/kernel/ffi.ts";
import { MARK_CAUGHT, MARK_MASK } from "../../../agent/kernel/layout.gen.ts";

const [address = "", port = "", path = "/"] = process.argv.slice(2);

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_MARK = 36;
const SO_RCVTIMEO = 20;
const MSG_NOSIGNAL = 0x4000;
/** Pause between two connections, milliseconds: the grain of what is measured. */
const PAUSE_MS = 1;
/** Longest wait for an answer, seconds. */
const PATIENCE_S = 2n;

const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n`);
const input = Buffer.alloc(64 * 1024);
const ints = new Int32Array(2);
const target = Buffer.alloc(16);
target.writeUInt16LE(AF_INET, 0);
target.writeUInt16BE(Number(port), 2);
target.set(address.split(".").map(Number), 4);
const patience = BigInt64Array.of(PATIENCE_S, 0n);

function check(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: errno ${lastErrno()}`);
  return result;
}

/** Whether a connection made now is redirected; it has been answered when this returns. */
function isRedirected(): boolean {
  const fd = check("socket", libc.socket(AF_INET, SOCK_STREAM, 0));
  try {
    check("time-out", libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, addressOf(patience), 16));
    check("connect", libc.connect(fd, addressOf(target), target.length));
    ints[1] = 4;
    const sizeAt = addressOf(ints) + 4;
    check("mark", libc.getsockopt(fd, SOL_SOCKET, SO_MARK, addressOf(ints), sizeAt));
    check("send", libc.send(fd, addressOf(request), request.length, MSG_NOSIGNAL));
    const got = check("recv", libc.recv(fd, addressOf(input), input.length, 0));
    if (!input.toString("latin1", 0, got).startsWith("HTTP/1.1 200 "))
      throw new Error(`answered ${JSON.stringify(input.toString("latin1", 0, Math.min(got, 80)))}`);
  } finally {
    libc.close(fd);
  }
  return ((ints[0] ?? 0) & MARK_MASK) >>> 0 === MARK_CAUGHT;
}

let was: boolean | undefined;
function look(): void {
  const redirected = isRedirected();
  // CLOCK_MONOTONIC: the same clock in all processes of the machine.
  const at = Number(process.hrtime.bigint()) / 1e6;
  if (redirected !== was) console.log(JSON.stringify({ redirected, at }));
  was = redirected;
  setTimeout(look, PAUSE_MS);
}

process.stdin.resume().on("end", () => process.exit(0));
look();
