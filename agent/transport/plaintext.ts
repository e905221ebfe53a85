/** Plaintext TCP to the next hop, from the pod's own namespace. */

import type { ChannelHandler } from "../engine/channel.ts";
import { connect } from "../engine/connect.ts";
import type { Loop } from "../engine/loop.ts";
import type { Dial, DialTarget } from "./dial.ts";

/** Settings of plaintext connections. */
export interface PlaintextSettings {
  /** Mark of connections that leave the pod under its own address (bpf/mesh.h: MARK_UPSTREAM). */
  readonly upstreamMark: number;
  /** Mark of transparent connections to the pod's own application (MARK_INBOUND): its answers come back by it. */
  readonly inboundMark: number;
}

/** Makes the plaintext transport of a worker. */
export function plaintext(loop: Loop, settings: PlaintextSettings): Dial {
  return ({ pod, address, port, from }: DialTarget, handler: ChannelHandler) =>
    connect(
      loop,
      {
        to: { ip: address, port },
        owner: loop.owner(pod.owner),
        netns: pod.netnsFd,
        mark: from === undefined ? settings.upstreamMark : settings.inboundMark,
        ...(from === undefined
          ? { localPorts: pod.localPorts }
          : { source: { ip: from, port: 0 } }),
      },
      handler,
    );
}
