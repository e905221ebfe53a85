/** Holds conversations by the hundred at the same time. */

import type { Conversation } from "./conversation.ts";
import { hold } from "./hold.ts";
import { judge } from "./judge.ts";
import type { Problem } from "./observation.ts";
import type { Stage } from "./stage.ts";
import { pause } from "./wake.ts";

/** A conversation that did not go as it may. */
export interface Failure {
  readonly seed: number;
  readonly conversation: Conversation;
  readonly problems: readonly Problem[];
}

/** Which conversations are held. */
export interface CrowdPlan {
  /** The conversations, with the number that names each. */
  readonly conversations: Iterable<{ readonly seed: number; readonly conversation: Conversation }>;
  readonly atOnce: number;
  readonly onFailure: (failure: Failure) => void;
  /** Told after each. */
  readonly onHeld?: () => void;
}

/** Fewer are not held at the same time, however long the loop takes for a turn. */
const LEAST_AT_ONCE = 10;
/** A turn of the loop that takes longer says that there are enough. */
const MOST_LAG_MS = 20;

async function lag(): Promise<number> {
  const before = performance.now();
  await pause(1);
  return performance.now() - before - 1;
}

/** Numbers of conversations of this process: no two have the same. */
let nextNumber = 0;

/** Holds all of them. */
export async function crowd(stage: Stage, plan: CrowdPlan): Promise<void> {
  let running = plan.atOnce;
  const queue = plan.conversations[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      running--;
      // On a machine that is busy otherwise, time-outs must not be what is tried out.
      while (running >= LEAST_AT_ONCE && (await lag()) > MOST_LAG_MS) await pause(MOST_LAG_MS);
      running++;
      const { seed, conversation } = next.value;
      const problems = await problemsOf(stage, conversation);
      if (problems.length > 0) plan.onFailure({ seed, conversation, problems });
      plan.onHeld?.();
    }
  };
  await Promise.all(Array.from({ length: plan.atOnce }, lane));
}

/** How often a conversation is held again that went wrong on a busy machine. */
const AGAIN = 3;

/** Of failures that a busy machine may be the reason of, only those that go wrong again when held one by one. */
export async function confirmed(
  stage: Stage,
  failures: readonly Failure[],
): Promise<readonly Failure[]> {
  const certain: Failure[] = [];
  for (const failure of failures) {
    let sure = failure.problems.some(({ slow }) => !slow);
    for (let again = 0; again < AGAIN && !sure; again++)
      sure = (await problemsOf(stage, failure.conversation)).length > 0;
    if (sure) certain.push(failure);
  }
  return certain;
}

/** Holds one conversation; its problems. */
export async function problemsOf(
  stage: Stage,
  conversation: Conversation,
): Promise<readonly Problem[]> {
  return judge(conversation, await hold(stage, conversation, nextNumber++));
}
