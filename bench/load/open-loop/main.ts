/**
 * Open-loop load: requests are due at a fixed rate whatever the answers do. Each latency is counted from the
 * moment the request was due, also when it had to wait for a free connection or for this program, so a stall
 * shows with its full length (no coordinated omission). Runs its own epoll loop through libc, with
 * nanosecond time-outs, because timers of Node have a grain of one millisecond.
 * Arguments: ADDRESS PORT PATH REQUESTS_PER_SECOND CONNECTIONS SECONDS WARM_UP_SECONDS. The load of the warm-up
 * is the same and is not counted. Prints one line of JSON, microseconds.
 */
import { addressOf, lastErrno, libc } from "../../../agent/kernel/ffi.ts";

const [address = "", port = "", path = "/", rateText = "", countText = "", ...times] =
  process.argv.slice(2);
const rate = Number(rateText);
const [secondsText = "", warmUpText = "0"] = times;
const uncounted = Math.floor(rate * Number(warmUpText));
const total = uncounted + Math.floor(rate * Number(secondsText));
const connections = Number(countText);

const AF_INET = 2;
const SOCK_STREAM = 1;
const F_SETFL = 4;
const O_NONBLOCK = 2048;
const MSG_NOSIGNAL = 0x4000;
const TCP_LEVEL = 6;
const TCP_NODELAY = 1;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EPOLL_PWAIT2 = 441; // system call number, the same on x86-64 and arm64
const EPOLL_EVENT_BYTES = process.arch === "x64" ? 12 : 16; // packed on x86-64 only (man 2 epoll_ctl)
const EAGAIN = 11;
const MAX_EVENTS = 256;

interface Connection {
  readonly fd: number;
  /** When the request under way was due, in nanoseconds of hrtime; negative = free. */
  due: number;
  /** Bytes of the answer still to come; negative = its head is not complete yet. */
  left: number;
  head: string;
}

const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
const input = Buffer.alloc(256 * 1024);
const events = new DataView(new ArrayBuffer(MAX_EVENTS * EPOLL_EVENT_BYTES));
const timeout = new BigInt64Array(2);
const latencies = new Float64Array(total);
/** How late this program itself sent a counted request for which a connection was free: its own stalls. */
const lateness = new Float64Array(total);
let sentAtOnce = 0;
const byFd = new Map<number, Connection>();
const free: Connection[] = [];
const waiting: number[] = [];
let waitingFrom = 0;
let answered = 0;
let errors = 0;

function nanos(): number {
  return Number(process.hrtime.bigint());
}

function check(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: errno ${lastErrno()}`);
  return result;
}

function dial(epoll: number): void {
  const target = Buffer.alloc(16);
  target.writeUInt16LE(AF_INET, 0);
  target.writeUInt16BE(Number(port), 2);
  address.split(".").forEach((part, index) => {
    target[4 + index] = Number(part);
  });
  const fd = check("socket", libc.socket(AF_INET, SOCK_STREAM, 0));
  check("connect", libc.connect(fd, addressOf(target), target.length));
  check("fcntl", libc.fcntl(fd, F_SETFL, O_NONBLOCK));
  const one = Int32Array.of(1);
  check("nodelay", libc.setsockopt(fd, TCP_LEVEL, TCP_NODELAY, addressOf(one), 4));
  const event = new DataView(new ArrayBuffer(EPOLL_EVENT_BYTES));
  event.setUint32(0, EPOLLIN, true);
  event.setInt32(EPOLL_EVENT_BYTES - 8, fd, true);
  check("epoll_ctl", libc.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, addressOf(event)));
  const connection = { fd, due: -1, left: -1, head: "" };
  byFd.set(fd, connection);
  free.push(connection);
}

function send(connection: Connection, due: number): void {
  connection.due = due;
  connection.left = -1;
  connection.head = "";
  const sent = libc.send(connection.fd, addressOf(request), request.length, MSG_NOSIGNAL);
  if (sent !== request.length) errors++;
}

/** Reads what is there; a complete answer frees the connection for the longest waiting request. */
function receive(connection: Connection): void {
  for (;;) {
    const got = libc.recv(connection.fd, addressOf(input), input.length, 0);
    if (got < 0 && lastErrno() === EAGAIN) return;
    if (got <= 0) throw new Error("the server closed a connection: this run is void");
    account(connection, got);
    if (got < input.length) return;
  }
}

function account(connection: Connection, got: number): void {
  if (connection.left >= 0) connection.left -= got;
  else readHead(connection, got);
  if (connection.left !== 0) return;
  latencies[answered++] = (nanos() - connection.due) / 1000;
  connection.due = -1;
  const next = waiting[waitingFrom];
  if (next === undefined) {
    free.push(connection);
  } else {
    waitingFrom++;
    send(connection, next);
  }
}

function readHead(connection: Connection, got: number): void {
  connection.head += input.toString("latin1", 0, got);
  const end = connection.head.indexOf("\r\n\r\n");
  if (end < 0) return;
  if (!connection.head.startsWith("HTTP/1.1 200 ")) errors++;
  const [, length = ""] = /\r\ncontent-length: *(\d+)/i.exec(connection.head) ?? [];
  if (length === "") throw new Error("the answer has no Content-Length");
  connection.left = end + 4 + Number(length) - connection.head.length;
}

/** Blocks until an event comes or `until` (nanoseconds of hrtime) has passed. */
function wait(epoll: number, until: number): void {
  const left = Math.max(0, until - nanos());
  timeout[0] = BigInt(Math.floor(left / 1e9));
  timeout[1] = BigInt(Math.floor(left % 1e9));
  const count = libc.syscall(
    EPOLL_PWAIT2,
    epoll,
    addressOf(events),
    MAX_EVENTS,
    addressOf(timeout),
    0,
    0,
  );
  for (let i = 0; i < count; i++) {
    const fd = events.getInt32(i * EPOLL_EVENT_BYTES + EPOLL_EVENT_BYTES - 8, true);
    const connection = byFd.get(fd);
    if (connection !== undefined) receive(connection);
  }
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

const epoll = check("epoll_create1", libc.epoll_create1(0));
for (let i = 0; i < connections; i++) dial(epoll);
const start = nanos() + 1e6;
const gap = 1e9 / rate;
const giveUp = start + total * gap + 10e9;
let due = 0;
while (answered < total) {
  const now = nanos();
  if (now > giveUp) throw new Error(`only ${answered} of ${total} were answered in time`);
  while (due < total && start + due * gap <= now) {
    const at = start + due++ * gap;
    const connection = free.pop();
    if (connection === undefined) waiting.push(at);
    else {
      if (due > uncounted) lateness[sentAtOnce++] = (nanos() - at) / 1000;
      send(connection, at);
    }
  }
  wait(epoll, due < total ? start + due * gap : now + 100e6);
}
const sorted = latencies.subarray(uncounted).toSorted();
const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => percentile(sorted, share));
// Always waiting for a free connection, this program was never late itself.
const lateP999 =
  sentAtOnce === 0 ? 0 : percentile(lateness.subarray(0, sentAtOnce).toSorted(), 0.999);
console.log(
  JSON.stringify({ requests: sorted.length, errors, p50, p99, p999, max: sorted.at(-1), lateP999 }),
);
