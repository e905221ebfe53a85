/** Waiting for what comes by itself, with a deadline instead of a fixed pause. */
import { setTimeout as pause } from "node:timers/promises";

const LOOK_EVERY_MS = 10;

/** Resolves once `holds()` is true; rejects with `what` after `deadlineMs` (default 5,000). */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 5000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not so after ${deadlineMs} ms`);
    await pause(LOOK_EVERY_MS);
  }
}
