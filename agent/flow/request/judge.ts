/** What the head of an answer says of its endpoint, and of whose the connection is. */

import type { AnswerHead } from "../../http/message.ts";
import { isGatewayFailure } from "../balance/outlier.ts";
import type { Client } from "./client.ts";
import type { Lease } from "./lease.ts";
import { challenges } from "./login.ts";

/** Tells the balancer and the link. `tookMs`: from the request to this head, milliseconds. */
export function judge(answer: AnswerHead, lease: Lease, client: Client, tookMs: number): void {
  const { target } = client.course;
  if (isGatewayFailure(answer.status)) target.failed(lease.endpoint, "gateway");
  else target.answered(lease.endpoint, tookMs);
  if (challenges(answer)) client.link.bind(lease);
}
