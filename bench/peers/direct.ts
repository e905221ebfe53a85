/** No proxy at all: what the network and the backends cost by themselves. */
import type { Peer } from "./peer.ts";

/** The client dials the backend itself. */
export const DIRECT: Peer = {
  name: "direct",
  start: async (stage) => ({
    stage,
    http: stage.direct,
    tcp: stage.direct,
    pids: async () => [],
    renew: () => Promise.resolve(),
    async [Symbol.asyncDispose]() {
      // nothing was started
    },
  }),
};
