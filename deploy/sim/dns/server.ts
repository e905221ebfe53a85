/** Cluster DNS on the wire: UDP and TCP on the kube-dns ClusterIP inside every node's namespace. */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { decode, encode, type Packet } from "dns-packet";
import { isIpv6 } from "#model/address.ts";
import { errnoName } from "../../../agent/kernel/errno.ts";
import { addressOf, lastErrno, libc } from "../../../agent/kernel/ffi.ts";
import { openSocket, SystemCallError } from "../../../agent/kernel/namespace-calls.ts";
import { closeNetns, inNetns, openNetns } from "../../../agent/kernel/netns.ts";
import { encodeSockaddr, SOCKADDR_BYTES } from "../../../agent/kernel/sockaddr.ts";
import {
  AF_INET,
  AF_INET6,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "../../../agent/kernel/socket-constants.ts";
import { DNS_SERVICE_INDEX, serviceAddress } from "../net/plan.ts";
import { type Answer, type Resolution, resolveName, type Zone } from "./records.ts";

const SOCK_DGRAM = 2;
const PORT = 53;
/** Pods come and go: an old answer must not outlive its pod by much. */
const TTL_SECONDS = 5;
/** Without EDNS a UDP answer may have 512 bytes (RFC 1035 section 4.2.1); longer ones are asked again over TCP. */
const UDP_LIMIT = 512;
/** Flags of answers: authoritative, and truncated. */
const AA = 0x0400;
const TC = 0x0200;
const RCODE = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const;

/** The DNS servers of all nodes. */
export class ClusterDns {
  readonly #zone: () => Zone;
  readonly #sockets: (UdpSocket | Server)[] = [];

  /** `zone` is asked for each question, so answers are never older than the objects. */
  constructor(zone: () => Zone) {
    this.#zone = zone;
  }

  /** Starts answering in one node's namespace (the path of its file). */
  listen(netnsPath: string): void {
    const netns = openNetns(netnsPath);
    try {
      const { ipv4, ipv6 } = serviceAddress(DNS_SERVICE_INDEX);
      for (const ip of [ipv4, ipv6])
        this.#sockets.push(this.#udp(boundSocket(netns, ip, SOCK_DGRAM), ip));
      // Every address of the node: proxies reach the endpoint by the node's own address.
      this.#sockets.push(this.#tcp(boundSocket(netns, "::", SOCK_STREAM)));
    } finally {
      closeNetns(netns);
    }
  }

  /** Stops answering. */
  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #udp(fd: number, ip: string): UdpSocket {
    const socket = createSocket(isIpv6(ip) ? "udp6" : "udp4");
    socket.bind({ fd });
    socket.on("error", () => undefined);
    socket.on("message", (question, from) => {
      const answer = this.#answer(question, UDP_LIMIT);
      if (answer) socket.send(answer, from.port, from.address, () => undefined);
    });
    return socket;
  }

  #tcp(fd: number): Server {
    const server = createServer((connection) => this.#serve(connection));
    server.listen({ fd });
    return server;
  }

  /** Messages over TCP carry their length in two bytes (RFC 1035 section 4.2.2). */
  #serve(connection: Socket): void {
    let pending: Buffer = Buffer.alloc(0);
    connection.setTimeout(10_000, () => connection.destroy());
    connection.on("error", () => connection.destroy());
    connection.on("data", (piece: Buffer) => {
      pending = Buffer.concat([pending, piece]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const answer = this.#answer(pending.subarray(2, end), 65_535);
        pending = pending.subarray(end);
        if (answer) connection.write(Buffer.concat([lengthOf(answer), answer]));
      }
    });
  }

  #answer(bytes: Buffer, limit: number): Buffer | undefined {
    let question: Packet;
    try {
      question = decode(bytes);
    } catch {
      return undefined;
    }
    const [asked] = question.questions ?? [];
    if (question.type !== "query" || asked === undefined) return undefined;
    const resolution = resolveName(this.#zone(), asked.name, asked.type);
    const whole = packet(question, resolution, 0);
    return whole.length <= limit ? whole : packet(question, { kind: "answers", answers: [] }, TC);
  }
}

function packet(question: Packet, resolution: Resolution, flags: number): Buffer {
  const found = resolution.kind === "answers" ? resolution.answers : [];
  return encode({
    type: "response",
    ...(question.id === undefined ? {} : { id: question.id }),
    // dns-packet keeps the response code in the low four bits of the flags.
    flags: AA | flags | rcode(resolution) | ((question.flags ?? 0) & 0x0100),
    questions: question.questions ?? [],
    answers: found.map((answer: Answer) => ({ ...answer, ttl: TTL_SECONDS })),
  });
}

function rcode(resolution: Resolution): number {
  if (resolution.kind === "answers") return RCODE.NOERROR;
  // Names of the world outside: the simulator has no way out, which is a failure and not a "no such name".
  return resolution.kind === "no-such-name" ? RCODE.NXDOMAIN : RCODE.SERVFAIL;
}

function boundSocket(netns: number, ip: string, type: number): number {
  return inNetns(netns, () => {
    const family = isIpv6(ip) ? AF_INET6 : AF_INET;
    const fd = openSocket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const address = new Uint8Array(SOCKADDR_BYTES);
    const length = encodeSockaddr({ ip, port: PORT }, address) ?? 0;
    if (libc.bind(fd, addressOf(address), length) < 0)
      throw new SystemCallError(`bind cluster DNS to ${ip}`, errnoName(lastErrno()));
    return fd;
  });
}

function lengthOf(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return length;
}
