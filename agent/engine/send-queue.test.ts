import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Sockets } from "../kernel/sockets.ts";
import { Budget, Owner } from "./owner.ts";
import { CHUNK_BYTES, ChunkPool, SendQueue } from "./send-queue.ts";
import type { Segments, System } from "./system.ts";

/** A kernel that takes at most `room` bytes of each vector. */
class SlowKernel extends Sockets {
  taken: Buffer = Buffer.alloc(0);
  room = 0;

  override writev(_fd: number, segments: Segments): number {
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < segments.count; i++) {
      const start = segments.starts[i] ?? 0;
      const bytes = segments.bytes[i] ?? new Uint8Array(0);
      pieces.push(bytes.subarray(start, start + (segments.lengths[i] ?? 0)));
    }
    const all = Buffer.concat(pieces).subarray(0, this.room);
    this.taken = Buffer.concat([this.taken, all]);
    return all.length;
  }
}

test("whatever the kernel takes of each flush, bytes leave in order and memory comes back", () => {
  const operation = fc.record({ push: fc.nat(CHUNK_BYTES * 3), room: fc.nat(CHUNK_BYTES * 10) });
  fc.assert(
    fc.property(fc.array(operation), (operations) => {
      const pool = new ChunkPool();
      const owner = new Owner(1, 1e9, new Budget(1e9));
      const queue = new SendQueue(pool, owner);
      const kernel = new SlowKernel();
      const system: System = kernel;
      let expected = Buffer.alloc(0);
      let fill = 0;
      for (const { push, room } of operations) {
        const bytes = Buffer.alloc(push + 3, fill++ & 0xff);
        assert.equal(queue.push(bytes, 2, push + 2), true);
        expected = Buffer.concat([expected, bytes.subarray(2, push + 2)]);
        kernel.room = room;
        const before = queue.length;
        const sent = queue.length === 0 ? 0 : queue.flush(system, -1);
        assert.equal(queue.length, before - sent);
        const chunks = pool.usedBytes / CHUNK_BYTES;
        assert.ok(chunks <= Math.ceil(queue.length / CHUNK_BYTES) + 1, "no idle chunk is held");
      }
      assert.ok(kernel.taken.equals(expected.subarray(0, kernel.taken.length)));
      assert.equal(kernel.taken.length + queue.length, expected.length);
      queue.clear();
      assert.deepEqual([pool.usedBytes, owner.heldBytes], [0, 0]);
    }),
  );
});

test("the owner's limit and the worker's limit both refuse the chunk that would go beyond", () => {
  const pool = new ChunkPool();
  const budget = new Budget(4 * CHUNK_BYTES);
  const [first, second] = [1, 2].map((id) => new Owner(id, 3 * CHUNK_BYTES, budget)) as [
    Owner,
    Owner,
  ];
  const bytes = new Uint8Array(3 * CHUNK_BYTES);
  const mine = new SendQueue(pool, first);
  assert.equal(mine.push(bytes, 0, bytes.length), true);
  assert.equal(mine.push(bytes, 0, 1), false, "the owner has its share");
  const theirs = new SendQueue(pool, second);
  assert.equal(theirs.push(bytes, 0, bytes.length), false, "the worker is full");
  theirs.clear();
  mine.clear();
  assert.equal(pool.usedBytes, 0);
});
