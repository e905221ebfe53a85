import assert from "node:assert/strict";
import { test } from "node:test";
import { PAIR } from "../../../deploy/grafana/pair.ts";
import { WORKLOAD } from "../../../deploy/grafana/workload.ts";
import type { Seen } from "../../support/panels.ts";
import { codesOf, distance, endedIn, figuresOf, type Metered, selectedBy } from "./figures.ts";

const ONE: Metered = {
  ...{ namespace: "ns", client: "user", enrolled: true, server: "order", service: "order" },
  ...{ endedMs: 1000, durationMs: 20, code: 200, bytes: 0 },
};
/** Ten in a second; the last one fails, and takes longest. */
const TEN: readonly Metered[] = Array.from({ length: 10 }, (_, i) => ({
  ...ONE,
  endedMs: (i + 1) * 100,
  ...(i === 9 && { code: 503, durationMs: 700 }),
}));
const BOUNDS = [0.01, 0.1, 1];

function seen(title: string, over: Partial<Seen> = {}): Seen {
  const panel = [PAIR, WORKLOAD]
    .flatMap(({ rows }) => rows)
    .flatMap(({ panels }) => panels)
    .find((one) => one.title === title);
  assert.ok(panel !== undefined, title);
  const ends = { src_namespace: "ns", src_workload: "user", dst_namespace: "ns" };
  const chosen = { reporter: "source", ...ends, dst_workload: "order" };
  const query = panel.queries.at(-1)?.expr ?? "";
  return { dashboard: PAIR, panel, query, chosen, series: [], ...over };
}

/** What a panel should show of the ten. */
function of(title: string): readonly number[] {
  return figuresOf(seen(title), TEN).map((figure) => figure.of(TEN, 2));
}

test("a panel's figures are those of the requests: rates by code, success, the panel's own percentile", () => {
  assert.deepEqual(of("Requests"), [4.5, 0.5]);
  assert.deepEqual(of("Success"), [0.9]);
  assert.deepEqual(of("Durations"), [0.7], "p99");
  assert.deepEqual(of("Bytes"), []);
  assert.deepEqual(of("Until its answers begin"), [(9 * 0.02 + 0.7) / 10]);
});

test("a panel is about the requests that are chosen, as far as that side has counted them", () => {
  const outsider = { ...ONE, enrolled: false };
  const refused = { ...ONE, server: "unknown" };
  const other = { ...ONE, client: "other" };
  const all = [ONE, outsider, refused, other];
  assert.deepEqual(selectedBy(all, seen("Requests")), [ONE]);
  const received = { ...seen("Requests").chosen, reporter: "destination" };
  assert.deepEqual(selectedBy(all, seen("Requests", { chosen: received })), [ONE, outsider]);
  assert.equal(selectedBy([other], seen("Requests")), undefined);
  // It shows the server's view, whatever is chosen.
  assert.deepEqual(selectedBy(all, seen("Seen from the server's node")), [ONE, outsider]);
});

test("requests are of a time by their end, its beginning left out", () => {
  assert.equal(endedIn(TEN, 1000, 0.5).length, 5);
  assert.deepEqual(
    [...codesOf(endedIn(TEN, 1000, 0.5))],
    [
      [200, 4],
      [503, 1],
    ],
  );
});

test("a number is off by a share, a percentile by buckets, and what is not shown by nothing that passes", () => {
  assert.equal(distance({ kind: "number" }, 9, 10, BOUNDS).toFixed(2), "0.10");
  assert.equal(distance({ kind: "time" }, 9, 10, BOUNDS).toFixed(2), "0.10");
  assert.equal(distance({ kind: "quantile" }, 0.02, 0.09, BOUNDS), 0);
  assert.equal(distance({ kind: "quantile" }, 0.005, 0.5, BOUNDS), 2);
  assert.ok(Number.isNaN(distance({ kind: "quantile" }, Number.NaN, 0.5, BOUNDS)));
  assert.ok(Number.isNaN(distance({ kind: "number" }, Number.NaN, 0.5, BOUNDS)));
});
