import type { Permit } from "./authorize.ts";
import type { Plan } from "./plan.ts";
import type { Target } from "./target.ts";

/** Where a connection's bytes or a client's next request go: a plan with the running state of its next hop. */
export interface Course {
  /** Why it may. Kept, so that it can be judged again. */
  readonly permit: Permit;
  readonly plan: Plan;
  readonly target: Target;
  /** Revision of the directory it was made under: when that has moved on, it is made anew. */
  readonly revision: number;
}
