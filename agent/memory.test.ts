import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { returnFreed } from "./memory.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const MIB = 1024 * 1024;
/** Small enough not to be a mapping of its own, which goes back by itself. */
const BLOCK_BYTES = 64 * 1024;
const BLOCKS = 1024;

test("what was freed below something in use goes back to the kernel", async () => {
  let blocks: readonly Uint8Array[] = Array.from({ length: BLOCKS }, filled);
  const inUse = filled();
  blocks = blocks.slice(0, 1);
  await collected();
  const before = process.memoryUsage.rss();
  returnFreed();
  const after = process.memoryUsage.rss();
  assert.ok(before - after > 48 * MIB, `${before} bytes before, ${after} after`);
  assert.equal(blocks.length + inUse.length, 1 + BLOCK_BYTES);
});

function filled(): Uint8Array {
  return new Uint8Array(BLOCK_BYTES).fill(1);
}

/** V8 frees what is behind buffers on another thread, some time after it has collected them. */
async function collected(): Promise<void> {
  const most = 8 * MIB;
  for (let tries = 0; process.memoryUsage().arrayBuffers > most && tries < 50; tries++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
