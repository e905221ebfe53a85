/**
 * Gives back what starting took: modules' texts, compiled code that ran once, the kernel's types. V8 collects when
 * something is allocated, and an idle thread allocates nothing. Does nothing without --expose-gc (node-flags.ts).
 */
export function collectGarbage(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
