/**
 * Tells the kernel's programs that connections are being carried: when the beats stop, mesh/fail decides. By the bare
 * system call, since data workers beat.
 */

import { readlinkSync } from "node:fs";
import { HeartbeatCodec } from "../../bpf/connect.gen.ts";
import { addressOf, libc } from "./ffi.ts";

/** A fifth of HEARTBEAT_LIMIT_MS: four beats may be late before the agent counts as dead. */
export const BEAT_MS = 200;

/** PROC_PID_INIT_INO of the kernel (include/linux/proc_ns.h): the initial pid namespace. */
const INITIAL_PID_NAMESPACE = "pid:[4026531836]";

const SYS_BPF = process.arch === "x64" ? 321 : 280;
const BPF_MAP_UPDATE_ELEM = 2;
/** What an update needs of `union bpf_attr`: map, key, value, flags. */
const ATTRIBUTE_BYTES = 32;

/** The map `heartbeat`, by a descriptor that is not ours to close. */
export class Heartbeat {
  readonly #key: Uint8Array = new Uint8Array(4);
  readonly #value: Uint8Array = new Uint8Array(HeartbeatCodec.size);
  readonly #view: DataView = new DataView(this.#value.buffer);
  readonly #attribute: Uint8Array = new Uint8Array(ATTRIBUTE_BYTES);
  readonly #attributeAt: number = addressOf(this.#attribute);
  readonly #agentPid: number = pidForKernel();

  constructor(mapFd: number) {
    const view = new DataView(this.#attribute.buffer);
    view.setUint32(0, mapFd, true);
    view.setBigUint64(8, BigInt(addressOf(this.#key)), true);
    view.setBigUint64(16, BigInt(addressOf(this.#value)), true);
  }

  /** The data path works now. */
  beat(): void {
    // process.hrtime is CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns().
    this.#write(process.hrtime.bigint());
  }

  /** The agent leaves: counts as dead at once. */
  sayGoodbye(): void {
    this.#write(0n);
  }

  #write(beatNs: bigint): void {
    HeartbeatCodec.encode({ beatNs, agentPid: this.#agentPid }, this.#view, 0);
    // An array's element can always be written.
    libc.syscall(SYS_BPF, BPF_MAP_UPDATE_ELEM, this.#attributeAt, ATTRIBUTE_BYTES, 0, 0, 0);
  }
}

/** This process's number as the kernel's programs see it; 0 (unknown) inside a pid namespace of its own. */
function pidForKernel(): number {
  return readlinkSync("/proc/self/ns/pid") === INITIAL_PID_NAMESPACE ? process.pid : 0;
}
