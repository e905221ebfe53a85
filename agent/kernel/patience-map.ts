/**
 * What applications told their sockets about silent peers (bpf/patience.h), asked from this end of a connection: the
 * application's socket is the other end, in the same namespace. Asked from a data worker, so by the bare system call.
 */

import { ConnectionKeyCodec, PatienceCodec } from "../../bpf/connect.gen.ts";
import { addressOf, libc, SYS_BPF } from "./ffi.ts";
import { SOCKADDR_BYTES } from "./sockaddr.ts";
import { AF_INET } from "./socket-constants.ts";

/** In tcp(7)'s terms; 0 = nothing was said. */
export interface ToldPatience {
  readonly keepAlive: boolean;
  readonly idleS: number;
  readonly intervalS: number;
  readonly probes: number;
  readonly userTimeoutMs: number;
}

const BPF_MAP_LOOKUP_ELEM = 1;
/** What a look-up needs of `union bpf_attr`: map, key, value, flags. */
const ATTRIBUTE_BYTES = 32;

/** `struct connection_key`: where its fields are. */
const KEY = { local: 8, remote: 24, localPort: 40, remotePort: 42 } as const;
/** Of an IPv4 address in the mesh's form, ::ffff:a.b.c.d. */
const MAPPED_AT = 10;
const IPV4_AT = 12;

/** The map, by a descriptor that is not ours to close. */
export class PatienceMap {
  readonly #key: Uint8Array = new Uint8Array(ConnectionKeyCodec.size);
  readonly #keyView: DataView = new DataView(this.#key.buffer);
  readonly #value: Uint8Array = new Uint8Array(PatienceCodec.size);
  readonly #valueView: DataView = new DataView(this.#value.buffer);
  readonly #attribute: Uint8Array = new Uint8Array(ATTRIBUTE_BYTES);
  readonly #attributeAt: number = addressOf(this.#attribute);
  readonly #sockaddr: Uint8Array = new Uint8Array(SOCKADDR_BYTES);
  readonly #sockaddrAt: number = addressOf(this.#sockaddr);
  readonly #length: Int32Array = new Int32Array(2);
  readonly #lengthAt: number = addressOf(this.#length);

  constructor(mapFd: number) {
    const view = new DataView(this.#attribute.buffer);
    view.setUint32(0, mapFd, true);
    view.setBigUint64(8, BigInt(addressOf(this.#key)), true);
    view.setBigUint64(16, BigInt(addressOf(this.#value)), true);
  }

  /** What the other end of the connection `fd` was told, in the namespace of that cookie; undefined: nothing that is known. */
  find(fd: number, netns: bigint): ToldPatience | undefined {
    this.#length[0] = SOCKADDR_BYTES;
    if (libc.getpeername(fd, this.#sockaddrAt, this.#lengthAt) < 0) return undefined;
    this.#put(KEY.local, KEY.localPort);
    this.#length[0] = SOCKADDR_BYTES;
    if (libc.getsockname(fd, this.#sockaddrAt, this.#lengthAt) < 0) return undefined;
    this.#put(KEY.remote, KEY.remotePort);
    this.#keyView.setBigUint64(0, netns, true);
    const at = this.#attributeAt;
    const failed = libc.syscall(SYS_BPF, BPF_MAP_LOOKUP_ELEM, at, ATTRIBUTE_BYTES, 0, 0, 0) < 0;
    if (failed) return undefined;
    const { keepAlive, ...told } = PatienceCodec.decode(this.#valueView, 0);
    return { ...told, keepAlive: keepAlive !== 0 };
  }

  /** Puts the sockaddr into the key. */
  #put(addressAt: number, portAt: number): void {
    const sockaddr = this.#sockaddr;
    const key = this.#key;
    this.#keyView.setUint16(portAt, ((sockaddr[2] ?? 0) << 8) | (sockaddr[3] ?? 0), true);
    if (sockaddr[0] === AF_INET) {
      key.fill(0, addressAt, addressAt + MAPPED_AT);
      key.fill(0xff, addressAt + MAPPED_AT, addressAt + IPV4_AT);
      key.set(sockaddr.subarray(4, 8), addressAt + IPV4_AT);
    } else key.set(sockaddr.subarray(8, 24), addressAt);
  }
}
