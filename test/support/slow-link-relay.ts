/**
 * The process of a SlowLink: carries packets between the TUN devices at its descriptors 3 (here) and 4 (there) as its
 * argument says, and writes how many segments it has lost whenever it loses one.
 */

import { read, writeSync } from "node:fs";
import type { LinkInit } from "./slow-link.ts";

const HERE = 3;
const THERE = 4;
const PACKET_BYTES = 65_536;
const IPV4 = 4;
const TCP = 6;

interface Waiting {
  readonly packet: Uint8Array;
  readonly atMs: number;
}

/** Bytes of data in a TCP segment; 0 of anything else. */
function dataBytes(packet: Uint8Array): number {
  const first = packet[0] ?? 0;
  if (first >> 4 !== IPV4 || packet[9] !== TCP) return 0;
  const header = (first & 15) * 4;
  const tcpHeader = ((packet[header + 12] ?? 0) >> 4) * 4;
  return (((packet[2] ?? 0) << 8) | (packet[3] ?? 0)) - header - tcpHeader;
}

/** One direction. What waits leaves in order. */
class Direction {
  readonly #to: number;
  readonly #delayMs: number;
  readonly #bytesPerMs: number;
  readonly #waiting: Waiting[] = [];
  /** When the narrow place is free again. */
  #freeMs = 0;

  constructor(to: number, { delayMs, bytesPerSecond = Number.POSITIVE_INFINITY }: LinkInit) {
    this.#to = to;
    this.#delayMs = delayMs;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  carry(packet: Uint8Array): void {
    const now = performance.now();
    this.#freeMs = Math.max(now, this.#freeMs) + packet.length / this.#bytesPerMs;
    this.#waiting.push({ packet, atMs: this.#freeMs + this.#delayMs });
    if (this.#waiting.length === 1) this.#wait();
  }

  #wait(): void {
    const [first] = this.#waiting;
    if (first !== undefined)
      setTimeout(() => this.#leave(), Math.max(0, first.atMs - performance.now()));
  }

  #leave(): void {
    const now = performance.now();
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || first.atMs > now + 0.5) break;
      this.#waiting.shift();
      writeSync(this.#to, first.packet);
    }
    this.#wait();
  }
}

/** Reads packets for ever; the thread that waits is libuv's. */
function readAll(fd: number, take: (packet: Uint8Array) => void): void {
  const buffer = new Uint8Array(PACKET_BYTES);
  read(fd, buffer, 0, PACKET_BYTES, null, (error, bytes) => {
    if (error !== null) throw error;
    take(buffer.slice(0, bytes));
    readAll(fd, take);
  });
}

const init = JSON.parse(process.argv[2] ?? "") as LinkInit;
const { loseEvery = 0 } = init;
const out = new Direction(THERE, init);
const back = new Direction(HERE, { delayMs: init.delayMs });
let segments = 0;
let lost = 0;
readAll(HERE, (packet) => {
  if (loseEvery > 0 && dataBytes(packet) > 0 && ++segments % loseEvery === 0)
    writeSync(1, `${++lost}\n`);
  else out.carry(packet);
});
readAll(THERE, (packet) => back.carry(packet));
