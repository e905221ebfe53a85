/** Waiting for what comes by itself, with a deadline instead of a fixed pause. */
import { setTimeout as pause } from "node:timers/promises";

const LOOK_EVERY_MS = 10;
/** What takes a second alone may take ten beside others; who promises a shorter time says so. */
const PATIENCE_MS = 20_000;

/** Resolves once `holds()` is true; rejects with `what` after `deadlineMs` (default 20,000). */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs: number = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not so after ${deadlineMs} ms`);
    await pause(LOOK_EVERY_MS);
  }
}
