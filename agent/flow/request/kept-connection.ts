/** Which kept upstream connections may carry a request. */

import { isIdempotent } from "../../http/h1/body-kind.ts";
import type { Method } from "../../http/h1/codes.ts";

/**
 * A request that can't be sent twice is lost when the server closes the kept connection while it is on its way. Common
 * servers close idle ones after 2 s and more (gunicorn 2, Node 5, nginx 75): one used so lately is safe.
 */
const MAX_IDLE_MS_ONCE = 1_000;

/** The clock time (ms) since when a kept connection must have been used. `whole`: the request has no more body to come. */
export function usableSince(method: Method, whole: boolean, now: number): number {
  return whole && isIdempotent(method) ? Number.NEGATIVE_INFINITY : now - MAX_IDLE_MS_ONCE;
}
