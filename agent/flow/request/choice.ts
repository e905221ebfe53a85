/** Who is asked: the endpoint of a request's first try, and of each further one. */

import type { RequestHead } from "../../http/message.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Course } from "../course.ts";
import { MAX_RETRIES } from "../reach.ts";
import type { Target } from "../target.ts";
import { RequestPick } from "./pick-request.ts";

/** The choice of one request after the other. */
export class Choice {
  /** What the choice depends on, and who was dialled. */
  readonly pick: RequestPick = new RequestPick();
  /** Chosen and counted as busy, not yet taken. */
  #chosen: LiveEndpoint | undefined;

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
  another(target: Target): boolean {
    if (this.pick.tried.length > MAX_RETRIES) return false;
    const picked = target.pick(this.pick);
    if (picked.kind === "refusal") return false;
    if (!target.mayRetry()) {
      target.release(picked);
      return false;
    }
    this.#chosen = picked;
    return true;
  }
}
