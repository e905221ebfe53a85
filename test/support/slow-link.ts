/**
 * A link between two network namespaces that is slow, narrow or loses packets: two TUN devices, and a process of its own
 * (slow-link-relay.ts) that carries packets from one to the other. The kernel needs neither netem nor fq for it.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { addAddress } from "../../agent/kernel/addresses.ts";
import { addressOf, lastErrno, libc } from "../../agent/kernel/ffi.ts";
import { setLink } from "../../agent/kernel/links.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import {
  closeNetns,
  createNetns,
  deleteNetns,
  inNetns,
  openNetns,
} from "../../agent/kernel/netns.ts";

/** What the link is like. */
export interface LinkInit {
  /** In each direction, milliseconds. */
  readonly delayMs: number;
  /** Every so manieth TCP segment with data that goes from here to there is lost; none when it is left out. */
  readonly loseEvery?: number;
  /** From here to there; as much as goes when it is left out. */
  readonly bytesPerSecond?: number;
}

/** Address of the far end. */
export const FAR = "192.0.2.2";
const NEAR = "192.0.2.1";

const TUNSETIFF = 0x400454ca;
const IFF_TUN_NO_PI = 0x1001;
const IFREQ_BYTES = 40;

/** Makes a TUN device in the namespace (undefined: this thread's own), with that address in a network of two. */
function makeTun(name: string, address: string, netns?: number): number {
  const open = (): number => {
    const fd = openSync("/dev/net/tun", "r+");
    const request = new Uint8Array(IFREQ_BYTES);
    request.set(new TextEncoder().encode(name));
    new DataView(request.buffer).setUint16(16, IFF_TUN_NO_PI, true);
    assert.ok(libc.ioctl(fd, TUNSETIFF, addressOf(request)) >= 0, `TUNSETIFF: ${lastErrno()}`);
    return fd;
  };
  const fd = netns === undefined ? open() : inNetns(netns, open);
  using netlink = openNetlink(netns);
  addAddress(netlink, { link: name, address: `${address}/30` });
  setLink(netlink, name, { up: true });
  return fd;
}

/** A link from this thread's namespace to a new one. Disposing removes both. */
export class SlowLink implements AsyncDisposable {
  /** The namespace at the far end, a descriptor. */
  readonly netns: number;
  /** Segments with data that the link has lost. */
  lost: number = 0;
  readonly #folder: string;
  readonly #relay: ChildProcess;

  constructor(init: LinkInit) {
    this.#folder = mkdtempSync(join(tmpdir(), "slow-link-"));
    createNetns(this.#file);
    this.netns = openNetns(this.#file);
    const near = makeTun("slow-near", NEAR);
    const far = makeTun("slow-far", FAR, this.netns);
    const program = join(import.meta.dirname, "slow-link-relay.ts");
    this.#relay = spawn(process.execPath, [program, JSON.stringify(init)], {
      stdio: ["ignore", "pipe", "inherit", near, far],
    });
    for (const fd of [near, far]) closeSync(fd);
    assert.ok(this.#relay.stdout !== null);
    createInterface({ input: this.#relay.stdout }).on("line", (line) => {
      this.lost = Number(line);
    });
  }

  get #file(): string {
    return join(this.#folder, "netns");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#relay, "exit");
    // It waits in a read of libuv's, which nothing else ends. The devices go with their last descriptor.
    this.#relay.kill("SIGKILL");
    await ended;
    closeNetns(this.netns);
    deleteNetns(this.#file);
    rmSync(this.#folder, { recursive: true });
  }
}
