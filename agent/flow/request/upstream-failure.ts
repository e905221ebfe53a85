/** What the client and the log are told of a failed attempt. */

import { type Refusal, refuse } from "#model/refusal.ts";
import { responseProblem } from "../../http/h1/problem.ts";
import type { Ending } from "../../http/message.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";

/** The status that answers a request for which nobody was reached: 504 for a time-out, else 503. */
export function unreachableStatus({ reason }: Refusal): number {
  return reason === "connect-timeout" ? 504 : 503;
}

/** The failure as a refusal; it is answered with 502. */
export function failureRefusal(ending: Ending, { address, port }: LiveEndpoint): Refusal {
  const where = `${address} port ${port}`;
  if (ending.kind === "vanished") return refuse("peer-vanished", `${where}: ${ending.errno}`);
  if (ending.kind !== "malformed") {
    const how = ending.kind === "end" ? "closed" : "reset";
    return refuse("upstream-reset", `${where}: ${how} before a whole answer`);
  }
  const { reason, detail, rule } = responseProblem(ending.problem);
  return refuse(reason, `${where}: ${detail}`, rule);
}
