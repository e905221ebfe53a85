/**
 * How Node is started for the agent: whoever starts it (the simulator, an image) uses these. They cannot be set
 * by the agent itself, because V8 lays out its heap before the first line runs.
 */
export const AGENT_NODE_FLAGS: readonly string[] = [
  // Main allocates little and seldom: V8's own choice keeps 9 MB more. Workers have limits of their own.
  "--max-semi-space-size=1",
  // One thread for V8's compilers and collectors: four would only fight the data workers for the cores (3 MB).
  "--v8-pool-size=1",
  // Main and workers collect once, when they have started (memory.ts).
  "--expose-gc",
];
