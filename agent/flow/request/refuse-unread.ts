/** Refuses a request whose head could not be read, or that may not begin: nothing in it is trusted. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../../engine/channel.ts";
import { shortAnswer } from "../../http/h1/short-answer.ts";
import type { Plan } from "../plan.ts";
import { type Recorder, UNREAD } from "../record.ts";
import { dialledInVain } from "./unserved.ts";

/** Such a request. */
export interface Unread {
  readonly plan: Plan;
  /** Bytes of it that were held. */
  readonly requestBytes: number;
  readonly status: number;
  readonly refusal: Refusal;
}

/** Answers and records it. The caller closes the connection. */
export function refuseUnread(channel: Channel, recorder: Recorder, unread: Unread): void {
  const { plan, status, refusal } = unread;
  const { reason } = refusal;
  const dialled = dialledInVain(plan, reason);
  const answer = shortAnswer({ status, reason, close: true, bodiless: false, dialled });
  const line = recorder.sampled() ? UNREAD : undefined;
  const responseBytes = answer.length;
  recorder.request({ ...unread, endpoint: undefined, durationMs: 0, responseBytes, line });
  channel.write(answer, 0, answer.length);
}
