/** Who is asked: the endpoint of a request's first try, and of each further one. */

import type { RequestHead } from "../../http/message.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Course } from "../course.ts";
import { anotherEndpoint } from "../reach.ts";
import type { Recorder } from "../record.ts";
import { RequestPick } from "./pick-request.ts";

/** The choice of one request after the other. */
export class Choice {
  /** What the choice depends on, and who was dialled. */
  readonly pick: RequestPick = new RequestPick();
  /** Chosen and counted as busy, not yet taken. */
  #chosen: LiveEndpoint | undefined;
  readonly #recorder: Recorder;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** Chooses for a request: `bound`, when its client is bound to an endpoint. Nobody may be there. */
  begin(head: RequestHead, course: Course, bound: LiveEndpoint | undefined): void {
    const { target, plan } = course;
    target.deposit();
    this.pick.begin(head, target.hashKey, plan.clientAddress);
    if (bound !== undefined) {
      target.again(bound);
      this.#chosen = bound;
      return;
    }
    const picked = target.pick(this.pick);
    this.#chosen = picked.kind === "refusal" ? undefined : picked;
  }

  /** Who is chosen. */
  get chosen(): LiveEndpoint | undefined {
    return this.#chosen;
  }

  /** Takes the chosen one: it is the caller's to release. */
  take(): LiveEndpoint | undefined {
    const chosen = this.#chosen;
    this.#chosen = undefined;
    return chosen;
  }

  /** Chooses one more; false when there is nobody, or no retry may be. */
  another(course: Course): boolean {
    this.#chosen = anotherEndpoint(course, this.pick, this.#recorder);
    return this.#chosen !== undefined;
  }
}
