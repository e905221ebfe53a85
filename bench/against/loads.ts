/** What an old and a new agent are compared by: memory first, while the processes are fresh, then CPU and rate. */
import { idleMemory, measured, memoryAfter, type Workload } from "../harness/workloads.ts";
import type { RunningPeer } from "../peers/peer.ts";
import { PATHS } from "../stage/stage.ts";

/** Begins the names of loads that are told apart and have no verdict: sending them safely may cost a connect. */
export const APART = "POST";

/** Connections of a load that keeps them, and of one that makes a new one for each request. */
const KEPT = 64;
const SHORT = 16;
/** Every kind of load once, which nobody measures: V8 compiles what a fresh process does often. */
export const WARM_UP = "warm-up";

interface Kind {
  /** Through the Service whose port is opaque, instead of the one that is declared HTTP. */
  readonly opaque?: boolean;
  readonly post?: boolean;
  /** A connection for each request. */
  readonly close?: boolean;
}

const KINDS: readonly (Kind & { readonly name: string })[] = [
  { name: "HTTP, kept connections" },
  { name: "HTTP, connection per request", close: true },
  { name: "opaque, kept connections", opaque: true },
  { name: "opaque, connection per request", opaque: true, close: true },
  { name: `${APART}, kept connections`, post: true },
  { name: `${APART}, connection per request`, post: true, close: true },
];

/** In the order in which a round runs them. */
export const LOADS: readonly Workload[] = [
  { name: "1,000 idle connections, opaque", run: (peer) => idleMemory(peer, opaqueOf(peer)) },
  { name: "1,000 idle connections, HTTP", run: (peer) => idleMemory(peer, peer.http) },
  {
    name: WARM_UP,
    run: async (peer, { seconds }) => {
      for (const kind of KINDS) await send(peer, kind, seconds);
      return undefined;
    },
  },
  ...KINDS.map(
    (kind): Workload => ({
      name: kind.name,
      run: (peer, { seconds }) => send(peer, kind, seconds),
    }),
  ),
  { name: "memory after the loads", run: memoryAfter },
];

function send(peer: RunningPeer, kind: Kind, seconds: number): ReturnType<typeof measured> {
  const close = kind.close === true;
  return measured(peer, {
    url: `http://${kind.opaque === true ? opaqueOf(peer) : peer.http}${PATHS.small}`,
    connections: close ? SHORT : KEPT,
    seconds,
    close,
    post: kind.post === true,
  });
}

function opaqueOf({ tcp }: RunningPeer): string {
  if (tcp === undefined) throw new Error("this contestant has no opaque Service");
  return tcp;
}
