/**
 * An agent's main thread that is busy, for test/process/heartbeat.test.ts: `busy-main.ts MILLISECONDS`. Prints how long
 * before the end of that time the data worker last told the kernel that it carries connections, in milliseconds.
 */

import { addressOf, libc } from "../../agent/kernel/ffi.ts";
import { Heartbeat } from "../../agent/kernel/heartbeat.ts";
import { MainPulse } from "../../agent/pulse.ts";
import { Collector } from "../../agent/telemetry/collector.ts";
import { createLogRing } from "../../agent/telemetry/log-ring.ts";
import { rigWorkers } from "./worker-rig.ts";

const SYS_BPF = process.arch === "x64" ? 321 : 280;
const [MAP_CREATE, MAP_LOOKUP] = [0, 1];
const MAP_TYPE_ARRAY = 2;

/** One element of 16 bytes, as the map `heartbeat` has. */
function createMap(): number {
  const attribute = new Uint32Array(18);
  attribute.set([MAP_TYPE_ARRAY, 4, 16, 1]);
  return libc.syscall(
    SYS_BPF,
    MAP_CREATE,
    addressOf(new Uint8Array(attribute.buffer)),
    72,
    0,
    0,
    0,
  );
}

function lastBeat(map: number): bigint {
  const [key, value] = [new Uint8Array(4), new Uint8Array(16)];
  const attribute = new BigUint64Array(4);
  attribute.set([BigInt(map), BigInt(addressOf(key)), BigInt(addressOf(value)), 0n]);
  const at = addressOf(new Uint8Array(attribute.buffer));
  if (libc.syscall(SYS_BPF, MAP_LOOKUP, at, 32, 0, 0, 0) < 0) throw new Error("no look-up");
  return new DataView(value.buffer).getBigUint64(0, true);
}

const said = {
  bugs: [],
  fallbacks: [],
  misdeclared: [],
  log: createLogRing(),
  spans: createLogRing(),
};
const heartbeatFd = createMap();
if (heartbeatFd < 0) throw new Error("no map: this needs root");
const collector = new Collector({ clock: () => 0 });
const workers = rigWorkers({ heartbeatFd }, collector, said);
await workers.start();
const heartbeat = new Heartbeat(heartbeatFd);
const onHang = (worker: number): never => {
  throw new Error(`worker ${worker} hangs`);
};
const pulse = new MainPulse({ pulse: workers.pulse, heartbeat, onHang });
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(process.argv[2]));
const sinceMs = Number(process.hrtime.bigint() - lastBeat(heartbeatFd)) / 1e6;
process.stdout.write(`${Math.round(sinceMs)}\n`);
pulse[Symbol.dispose]();
process.stdout.write(lastBeat(heartbeatFd) === 0n ? "goodbye\n" : "no goodbye\n");
await workers.stop();
