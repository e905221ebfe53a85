/** Lists and watches that are cut, refused, forgotten or silent: nothing may be lost, doubled or half-applied. */

import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import type { Change } from "../../control/world.ts";
import { ApiFront } from "../support/api-front.ts";
import { until } from "../support/until.ts";
import { refuse } from "./kubernetes-api.ts";
import { Lab, PODS, pod, podLab } from "./kubernetes-lab.ts";

test("410 in the middle of a list begins the list anew", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  api.serve(PODS, pod("a"), pod("b"), pod("c"));
  // The first page as usual, the second forgotten.
  api.trick("list", (response) => {
    const items = [pod("a"), pod("gone")];
    const metadata = { resourceVersion: "1", continue: "2" };
    response.end(JSON.stringify({ metadata, items }));
  });
  api.trick("list", (response) => refuse(response, 410, "the continue parameter is too old"));
  await lab.open(["pods"]);
  assert.equal(lab.pods, "a,b,c");
  assert.deepEqual(
    api.all("list").map(({ query }) => query.get("continue")),
    [null, "2", null, "2"],
  );
});

for (const [where, words] of [
  ["in the middle of its first page", { page: 1, bytes: 40 }],
  ["in the middle of a later page", { page: 2, bytes: 40 }],
  ["between two pages", { page: 2, bytes: 0 }],
] as const)
  test(`a list whose connection breaks ${where} is begun anew, and none of it counts`, async () => {
    await using lab = await podLab();
    const { api } = lab;
    api.store(PODS, "DELETED", pod("b"));
    api.store(PODS, "ADDED", pod("e"));
    api.trick("watch", (response) => refuse(response, 410, "too old resource version"));
    // What only the broken list says: b is there still, c and e are not.
    const metadata = { resourceVersion: "1", continue: "2" };
    const said = JSON.stringify({ metadata, items: [pod("broken"), pod("b")] });
    for (let page = 1; page < words.page; page++) api.trick("list", (answer) => answer.end(said));
    const [before, lists] = [lab.changes.length, api.all("list").length];
    api.trick("list", (response) => cut(response, said.slice(0, words.bytes)));
    api.end(PODS, "cut");
    await lab.podsAre("a,c,e");
    const asked = api.all("list").map(({ query }) => query.get("continue"));
    const broken = [null, "2"].slice(0, words.page);
    assert.deepEqual(asked.slice(lists), [...broken, null, "2"]);
    assert.deepEqual(lab.changes.slice(before).map(nameOf).sort(), ["apply e", "delete b"]);
    assert.match(lab.log.join("\n"), /cannot-follow .*pods/);
    assert.match(lab.log.at(-1) ?? "", /^follows /);
  });

for (const how of ["an HTTP status", "an ERROR event"] as const) {
  test(`410 as ${how} of a watch: listed again, and what vanished meanwhile goes`, async () => {
    await using lab = await podLab();
    const { api } = lab;
    api.store(PODS, "DELETED", pod("b"));
    api.store(PODS, "ADDED", pod("e"));
    if (how === "an HTTP status") {
      api.trick("watch", (response) => refuse(response, 410, "too old resource version"));
      api.end(PODS, "cut");
    } else {
      api.tell(PODS, { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } });
    }
    await lab.podsAre("a,c,e");
    const deleted = lab.changes.filter(({ kind }) => kind === "delete");
    assert.deepEqual(deleted, [
      { kind: "delete", ref: { kind: "Pod", namespace: "shop", name: "b" } },
    ]);
  });
}

test("a server that answers every watch with 410 is not asked in circles", async () => {
  await using lab = await podLab();
  const { api } = lab;
  for (let i = 0; i < 4; i++)
    api.trick("watch", (response) => refuse(response, 410, "too old resource version"));
  api.end(PODS, "cut");
  await until("a watch that stands", () => api.all("watch").length >= 6, 10_000);
  const [, first, , , fourth] = api.all("watch");
  const passed = (fourth?.at ?? 0) - (first?.at ?? 0);
  // Back-off of at least half of 250, 500 and 1000 ms.
  assert.ok(passed >= 600, `four refused watches within ${passed} ms`);
});

test("a watch cut inside an event goes on where it was, and the event comes again", async () => {
  await using lab = await podLab();
  const { api } = lab;
  const lists = api.all("list").length;
  const stored = api.store(PODS, "ADDED", pod("d"));
  const line = JSON.stringify({ type: "ADDED", object: stored });
  api.end(PODS, "cut", line.slice(0, line.length / 2));
  await lab.podsAre("a,b,c,d");
  assert.equal(api.all("list").length, lists, "nothing was listed again");
  assert.ok(!lab.changes.some(({ kind }) => kind === "delete"));
});

test("an event that is no JSON is not skipped: everything is listed again", async () => {
  await using lab = await podLab();
  const { api } = lab;
  api.store(PODS, "DELETED", pod("a"));
  api.trick("watch", (response) => {
    response.writeHead(200);
    response.write("{ broken\n");
  });
  api.end(PODS, "orderly");
  await lab.podsAre("b,c");
});

test("429 with Retry-After is obeyed", async () => {
  await using lab = await podLab();
  const { api } = lab;
  let refusedAt = 0;
  api.trick("watch", (response) => {
    refusedAt = performance.now();
    refuse(response, 429, "too many requests", { "retry-after": "2" });
  });
  api.end(PODS, "cut");
  await until("the watch after the refused one", () => api.all("watch").length === 3, 10_000);
  const waited = (api.all("watch")[2]?.at ?? 0) - refusedAt;
  assert.ok(waited >= 1990, `came again after ${waited} ms`);
  assert.equal(lab.pods, "a,b,c");
});

test("a peer that holds the connection but says nothing is left, and nothing is lost", async () => {
  await using lab = await podLab({ silenceMs: 1000 });
  const { api } = lab;
  // The watch stands, and stays mute.
  api.store(PODS, "ADDED", pod("d"));
  await lab.podsAre("a,b,c,d");
  assert.ok(api.all("watch").length >= 2);
});

test("a quiet collection counts as heard when its watch is taken anew", async () => {
  await using lab = await podLab({ silenceMs: 500 });
  const { api } = lab;
  await until("four silences", () => api.all("watch").length >= 5, 10_000);
  await api.watched(PODS);
  const [state] = lab.source?.states() ?? [];
  assert.ok((state?.heardMsAgo ?? Infinity) < 1500, `heard ${state?.heardMsAgo} ms ago`);
  assert.equal(state?.failures, 0);
});

test("a connection that dies silently is left for a new one, and nothing is lost", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  api.serve(PODS, pod("a"), pod("b"), pod("c"));
  await using front = await ApiFront.open(api.config);
  const silenceMs = 2000;
  await lab.open(["pods"], { config: front.config, silenceMs });
  await api.watched(PODS);
  front.swallow();
  const from = performance.now();
  api.change(PODS, "ADDED", pod("d"));
  await lab.podsAre("a,b,c,d");
  const passed = performance.now() - from;
  assert.ok(passed < 2 * silenceMs, `followed again after ${passed} ms`);
  assert.equal(api.all("list").length, 2, "nothing was listed again");
});

/** Begins an answer with some bytes of it and breaks the connection. */
function cut(response: ServerResponse, bytes: string): void {
  if (bytes === "") response.destroy();
  else response.write(bytes, () => response.destroy());
}

function nameOf(change: Change): string {
  if (change.kind === "delete") return `delete ${change.ref.name}`;
  return `${change.kind} ${change.object.metadata.name}`;
}
