/**
 * Runs in a network namespace of its own (started by links.test.ts under unshare): attaches sk_lookup to the
 * namespace and tcx to its loopback, connects, and prints how often each program ran before, during and after.
 */
import { closeSync, openSync } from "node:fs";
import { connect, createServer } from "node:net";
import koffi from "koffi";
import { objectMaps } from "../../test/fixtures/kinds.gen.ts";
import { fixture, PinLab } from "../../test/lab.ts";
import { attachNetns, attachTcx, load, parse } from "../index.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
const LOOPBACK = 1;

function raiseLoopback(): void {
  const libc = koffi.load(null);
  const socket = libc.func("int socket(int family, int type, int protocol)");
  const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");
  const request = Buffer.alloc(40);
  request.write("lo");
  request.writeUInt16LE(IFF_UP, 16);
  const fd: number = socket(AF_INET, SOCK_DGRAM, 0);
  if (ioctl(fd, SIOCSIFFLAGS, request) !== 0) throw new Error("lo can't be raised");
  closeSync(fd);
}

async function connectOnce(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1", () => socket.end());
  socket
    .resume()
    .on("close", () => resolve())
    .on("error", reject);
  await promise;
}

raiseLoopback();
using pins = new PinLab();
using loaded = load(parse(fixture("kinds")), {
  pinDirectory: pins.path,
  programs: ["lookup", "ingress"],
});
const bss = objectMaps(loaded)[".bss"];
const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const address = server.address();
const port = typeof address === "object" && address !== null ? address.port : 0;

/** How often the programs ran during one connection. */
async function runs(): Promise<number> {
  const before = bss.get(0).seen;
  await connectOnce(port);
  return Number(bss.get(0).seen - before);
}

const netns = openSync("/proc/self/ns/net", "r");
const without = await runs();
const lookup = attachNetns(loaded.program("lookup"), netns);
const withLookup = await runs();
lookup[Symbol.dispose]();
const tcx = attachTcx(loaded.program("ingress"), LOOPBACK);
const withTcx = await runs();
tcx.detach();
const after = await runs();
tcx[Symbol.dispose]();
closeSync(netns);
server.close();
process.stdout.write(JSON.stringify({ without, withLookup, withTcx, after }));
