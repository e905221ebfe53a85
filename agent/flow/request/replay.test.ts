import assert from "node:assert/strict";
import { test } from "node:test";
import { Head } from "../../http/h1/head.ts";
import { parseRequest } from "../../http/h1/parse-head.ts";
import { HeadSlots } from "../../transport/head-slots.ts";
import { Replay } from "./replay.ts";
import { rewrite } from "./rewrite.ts";

function parsed(text: string): Head {
  const head = new Head();
  const bytes = Buffer.from(text, "latin1");
  head.feed(bytes, 0, bytes.length);
  assert.ok(parseRequest(head) > 0);
  return head;
}

function textOf(replay: Replay): string {
  return Buffer.from(replay.bytes.subarray(0, replay.length)).toString("latin1");
}

test("a short request is kept in a slot, as the next hop gets it, and the slot comes back", () => {
  const slots = new HeadSlots();
  const replay = new Replay(slots);
  const head = parsed(
    "PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n",
  );
  const body = Buffer.from("..body..");
  assert.equal(replay.write(head, rewrite("none"), body, 2, 6), true);
  assert.equal(textOf(replay), "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
  const slot = replay.bytes;
  replay.clear();
  replay.clear();
  assert.equal(replay.length, 0);
  slots.recycle();
  assert.equal(slots.take(1), slot);
  assert.notEqual(slots.take(1), slot);
});

test("a request that fits no slot is kept elsewhere", () => {
  const replay = new Replay(new HeadSlots());
  const head = parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const body = Buffer.alloc(4096, "x");
  assert.equal(replay.write(head, rewrite("none"), body, 0, body.length), false);
  assert.equal(replay.length, 0);
  replay.keep(Buffer.from("head|rest"), 5, body, 0, 4096);
  assert.equal(textOf(replay), `head|${"x".repeat(4096)}`);
});
