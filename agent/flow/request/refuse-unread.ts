/** Refuses a request whose head could not be read, or that may not begin: nothing in it is trusted. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../../engine/channel.ts";
import { shortAnswer, shortBodyBytes } from "../../http/h1/short-answer.ts";
import type { Plan } from "../plan.ts";
import type { Recorder, RequestProgress } from "../record.ts";
import type { Untold } from "./facts.ts";
import { dialledInVain } from "./unserved.ts";

/** Such a request. */
export interface Unread {
  readonly plan: Plan;
  /** The bytes of its connection. */
  readonly untold: Untold;
  readonly status: number;
  readonly refusal: Refusal;
}

/** Answers and records it. The caller closes the connection. */
export function refuseUnread(channel: Channel, recorder: Recorder, unread: Unread): void {
  const { plan, untold, status, refusal } = unread;
  const { reason } = refusal;
  const dialled = dialledInVain(plan, reason);
  const answer = shortAnswer({ status, reason, close: true, bodiless: false, dialled });
  const progress: RequestProgress = {
    plan,
    endpoint: undefined,
    protocol: "http/1.1",
    probe: false,
    status,
    durationMs: 0,
    headMs: undefined,
    requestBytes: 0,
    responseBytes: shortBodyBytes(reason),
  };
  const [sentBytes, receivedBytes] = [untold.takeSent(), untold.takeReceived()];
  recorder.request({ ...progress, sentBytes, receivedBytes, refusal });
  recorder.observe(plan, undefined, false)?.ended(progress, refusal);
  channel.write(answer, 0, answer.length);
}
