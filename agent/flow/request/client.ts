/** What an exchange sees of the client connection it serves: the session, without its inside. */

import type { Channel } from "../../engine/channel.ts";
import type { Http1Upstream } from "../../transport/http1.ts";
import type { UpstreamPool } from "../../transport/pool.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import type { LocalPod } from "../pod.ts";
import type { Target } from "../target.ts";

/** The client's side of an exchange. */
export interface Client {
  readonly channel: Channel;
  readonly plan: Plan;
  readonly target: Target;
  readonly pod: LocalPod;
  /** No new requests are wanted: the agent drains or the client has half-closed. */
  readonly lastRequest: boolean;
  poolOf(endpoint: LiveEndpoint): UpstreamPool<Http1Upstream>;
  /** The exchange is over; `keep`: the connection can take another request. */
  finished(keep: boolean): void;
  /** From here on both channels carry opaque bytes. */
  tunnel(upstream: Channel): void;
}
