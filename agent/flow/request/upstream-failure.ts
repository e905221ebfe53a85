/** What the client and the log are told of a failed upstream. */

import { type Refusal, refuse } from "#model/refusal.ts";
import { responseProblem } from "../../http/h1/problem.ts";
import type { UpstreamFailure } from "../../transport/http1.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import { connectReason } from "../connect-reason.ts";

/** The status that answers the failure: 504 for a time-out, 503 when nothing was reached, 502 for a bad answer. */
export function statusOf(failure: UpstreamFailure): number {
  if (failure.kind === "connect") return failure.errno === "ETIMEDOUT" ? 504 : 503;
  return 502;
}

/** The failure as a refusal. */
export function refusalOf(failure: UpstreamFailure, { address, port }: LiveEndpoint): Refusal {
  const where = `${address} port ${port}`;
  if (failure.kind === "connect")
    return refuse(connectReason(failure.errno), `${where}: ${failure.errno}`);
  if (failure.kind === "closed")
    return refuse("upstream-reset", `${where}: ${failure.cause.kind} before a whole answer`);
  const { reason, detail, rule } = responseProblem(failure.problem);
  return refuse(reason, `${where}: ${detail}`, rule);
}
