import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { EAGAIN, errnoName } from "./errno.ts";
import { addressOf, cString, lastErrno, libc, memoryAt } from "./ffi.ts";

test("bytes written to a pipe are read back at the right offset", () => {
  const fds = new Int32Array(2);
  assert.equal(libc.pipe2(addressOf(fds), 0), 0);
  const [reader = -1, writer = -1] = fds;
  const sent = cString("hello");
  assert.equal(libc.write(writer, addressOf(sent), 5), 5);
  const got = new Uint8Array(100);
  assert.equal(libc.read(reader, addressOf(got.subarray(50)), 50), 5);
  assert.equal(new TextDecoder().decode(got.subarray(50, 55)), "hello");
  assert.equal(libc.close(reader), 0);
  assert.equal(libc.close(writer), 0);
});

test("every one of 100,000 failing calls leaves its own errno", () => {
  const nul = openSync("/dev/null", "r");
  const bytes = new Uint8Array(8);
  for (let i = 0; i < 50_000; i++) {
    assert.ok(libc.read(-1, addressOf(bytes), 8) < 0);
    assert.equal(lastErrno(), 9);
    assert.ok(libc.listen(nul, 1) < 0);
    assert.equal(lastErrno(), 88);
  }
  closeSync(nul);
});

test("addresses are exact, stable, and distinct for each buffer", () => {
  const views = Array.from({ length: 50 }, () => new Uint8Array(16));
  const seen = views.map(addressOf);
  assert.equal(new Set(seen).size, 50);
  assert.deepEqual(views.map(addressOf), seen);
  for (const [i, view] of views.entries()) {
    view[3] = i;
    assert.equal(new Uint8Array(memoryAt(addressOf(view), 16))[3], i);
  }
});

test("numbers beyond 32 bits cross in both directions", () => {
  const address = libc.mmap(0, 4096, 3, 0x22, -1, 0);
  assert.ok(address > 0xffffffff);
  assert.equal(libc.munmap(address, 4096), 0);
  assert.equal(libc.syscall(39, 0, 0, 0, 0, 0, 0), process.pid);
});

test("error numbers have their names", () => {
  assert.equal(errnoName(-EAGAIN), "EAGAIN");
  assert.equal(errnoName(111), "ECONNREFUSED");
  assert.equal(errnoName(110), "ETIMEDOUT");
  assert.equal(errnoName(95), "EOPNOTSUPP");
  assert.equal(errnoName(12345), "E12345");
});

test("a worker thread has its own errno", async () => {
  const source = `
    import { parentPort } from "node:worker_threads";
    const { lastErrno, libc } = await import(${JSON.stringify(new URL("./ffi.ts", import.meta.url).href)});
    libc.close(-1);
    parentPort.postMessage(lastErrno());`;
  const nul = openSync("/dev/null", "r");
  libc.listen(nul, 1);
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const theirs = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  assert.equal(theirs, 9);
  closeSync(nul);
  await worker.terminate();
});
