/**
 * Says to the kernel's programs which sockets are the agent's own (bpf/maps.h: `agent_sockets`), through the socket's
 * descriptor: that nobody else can do, where a mark or a process's number could be borrowed. The bare system call, as
 * it is made for every connection.
 */

import { addressOf, lastErrno, libc, SYS_BPF } from "./ffi.ts";

const BPF_MAP_UPDATE_ELEM = 2;
/** What an update needs of `union bpf_attr`: map, key, value, flags. */
const ATTRIBUTE_BYTES = 32;

/** The map, by a descriptor that is not ours to close. */
export class AgentSockets {
  readonly #key: Int32Array = new Int32Array(1);
  readonly #value: Uint32Array = new Uint32Array(1);
  readonly #attribute: Uint8Array = new Uint8Array(ATTRIBUTE_BYTES);
  readonly #attributeAt: number = addressOf(this.#attribute);

  constructor(mapFd: number) {
    const view = new DataView(this.#attribute.buffer);
    view.setUint32(0, mapFd, true);
    view.setBigUint64(8, BigInt(addressOf(this.#key)), true);
    view.setBigUint64(16, BigInt(addressOf(this.#value)), true);
  }

  /** From now on connects of `fd` are the agent's, with that mark. 0, or a negative errno. */
  claim(fd: number, mark: number): number {
    this.#key[0] = fd;
    this.#value[0] = mark;
    const at = this.#attributeAt;
    const failed = libc.syscall(SYS_BPF, BPF_MAP_UPDATE_ELEM, at, ATTRIBUTE_BYTES, 0, 0, 0) < 0;
    return failed ? -lastErrno() : 0;
  }
}
