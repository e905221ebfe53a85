/** Tells the kernel's programs that the agent lives: when the beats stop, mesh/fail decides. */

import { readlinkSync } from "node:fs";
import type { MeshMaps } from "./mesh-maps.ts";

/** A fifth of HEARTBEAT_LIMIT_MS: four beats may be late before the agent counts as dead. */
const BEAT_INTERVAL_MS = 200;

/** PROC_PID_INIT_INO of the kernel (include/linux/proc_ns.h): the initial pid namespace. */
const INITIAL_PID_NAMESPACE = "pid:[4026531836]";

/** Beats until disposed; then says goodbye, which counts as dead at once. */
export class HeartbeatWriter implements Disposable {
  readonly #map: MeshMaps["heartbeat"];
  readonly #agentPid: number = pidForKernel();
  readonly #timer: NodeJS.Timeout;

  constructor(map: MeshMaps["heartbeat"]) {
    this.#map = map;
    this.#beat();
    this.#timer = setInterval(() => this.#beat(), BEAT_INTERVAL_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#map.set(0, { beatNs: 0n, agentPid: this.#agentPid });
  }

  #beat(): void {
    // process.hrtime is CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns().
    this.#map.set(0, { beatNs: process.hrtime.bigint(), agentPid: this.#agentPid });
  }
}

/** This process's number as the kernel's programs see it; 0 (unknown) inside a pid namespace of its own. */
function pidForKernel(): number {
  return readlinkSync("/proc/self/ns/pid") === INITIAL_PID_NAMESPACE ? process.pid : 0;
}
