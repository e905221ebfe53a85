import type { NativeBlock } from "./bpf-call.ts";
import { BPF } from "./constants.ts";
import type { Host } from "./host.ts";

/** `struct bpf_{map,prog,link}_info` of a descriptor, `length` bytes of it. Valid until the next bpf call. */
export function objectInfo(host: Host, fd: number, length: number): NativeBlock {
  const call = host.call.begin();
  const info = call.room(length);
  call.u32(0, fd).u32(4, length).u64(8, info.address);
  call.must(BPF.objectInfo, 16, "read an object's description");
  return info;
}
