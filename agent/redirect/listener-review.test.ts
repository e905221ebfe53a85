import assert from "node:assert/strict";
import { test } from "node:test";
import { ListenerReview } from "./listener-review.ts";

const QUIET = { refused: 0, stale: 0, full: 0 };

test("without a doubt nobody looks", () => {
  const review = new ListenerReview();
  assert.equal(review.isDue(QUIET, 0), false);
  assert.equal(review.isDue(QUIET, 1e9), false);
});

test("the first refusal is looked at at once, those of a scan more and more seldom", () => {
  const review = new ListenerReview();
  const looks: number[] = [];
  for (let now = 0; now < 20_000; now += 200) {
    const asking = { ...QUIET, refused: now / 200 + 1 };
    if (!review.isDue(asking, now)) continue;
    looks.push(now);
    review.looked(asking, false, now);
  }
  assert.deepEqual(looks, [0, 1000, 3000, 7000, 11_000, 15_000, 19_000]);
});

test("after a look that found somebody the next refusal is looked at at once again", () => {
  const review = new ListenerReview();
  review.looked({ ...QUIET, refused: 1 }, false, 0);
  review.looked({ ...QUIET, refused: 2 }, true, 1000);
  assert.equal(review.isDue({ ...QUIET, refused: 3 }, 1000), true);
});

test("somebody who is gone, and a share that became full, are looked at at once", () => {
  const review = new ListenerReview();
  review.looked(QUIET, false, 0);
  assert.equal(review.isDue({ ...QUIET, stale: 1 }, 0), true);
  assert.equal(review.isDue({ ...QUIET, full: 1 }, 0), true);
  review.looked({ ...QUIET, full: 1 }, false, 0);
  assert.equal(review.isDue({ ...QUIET, full: 1 }, 0), false);
  assert.equal(review.isDue({ ...QUIET, full: 1 }, 4000), true);
});
