/** What was freed goes back to the kernel: neither V8 nor the C library sees to that by itself. */

import { libc } from "./kernel/ffi.ts";

/** How often `returnFreed` is worth its price, in milliseconds. */
export const RETURN_MS = 1_000;

/**
 * Gives back what starting took: modules' texts, compiled code that ran once, the kernel's types. V8 collects when
 * something is allocated, and an idle thread allocates nothing. Does nothing without --expose-gc (node-flags.ts).
 */
export function collectGarbage(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

/**
 * Gives back what the C library keeps of the memory that the whole process has freed (malloc_trim(3)): V8's compilers
 * need some 20 MB for a moment once the workers' code gets hot. Takes 0.3 ms when there is nothing, 3 ms for 20 MB.
 */
export function returnFreed(): void {
  libc.malloc_trim(0);
}
