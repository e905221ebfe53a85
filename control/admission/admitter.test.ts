import assert from "node:assert/strict";
import { test } from "node:test";
import { type Admission, Admitter, ReviewUnavailable } from "./admitter.ts";
import type { ReviewStatus } from "./verdict.ts";

const MINUTE_MS = 60_000;

const GOOD: ReviewStatus = {
  authenticated: true,
  audiences: ["nodemesh-control"],
  user: {
    username: "system:serviceaccount:nodemesh:nodemesh-agent",
    extra: { "authentication.kubernetes.io/node-name": ["n1"] },
  },
};

/** A token of the shape of a JWT that lives so long (ms), from a time that this machine's clock has nothing to do with. */
function token(life: number, name: string = "t"): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const iat = 4_000_000_000;
  return `${part({ alg: "none" })}.${part({ iat, exp: iat + life / 1000, name })}.c2ln`;
}

class Lab {
  now = 1_000_000_000;
  /** What the API server says; an error = it is away. */
  answer: ReviewStatus | Error = GOOD;
  readonly asked: string[] = [];
  readonly admitter: Admitter;

  constructor() {
    this.admitter = new Admitter({
      namespace: "nodemesh",
      nodeOfPod: () => undefined,
      now: () => this.now,
      review: async (text) => {
        this.asked.push(text);
        if (this.answer instanceof Error) throw this.answer;
        return this.answer;
      },
    });
  }

  admit(text: string): Promise<Admission> {
    return this.admitter.admit("n1", `Bearer ${text}`);
  }

  async statusOf(text: string): Promise<number> {
    const admission = await this.admit(text);
    return admission.kind === "admitted" ? 200 : admission.status;
  }
}

test("a good token is asked about once in ten minutes", async () => {
  const lab = new Lab();
  const good = token(60 * MINUTE_MS);
  assert.deepEqual(await lab.admit(good), { kind: "admitted", againMs: 10 * MINUTE_MS });
  lab.now += 4 * MINUTE_MS;
  assert.deepEqual(await lab.admit(good), { kind: "admitted", againMs: 6 * MINUTE_MS });
  assert.equal(lab.asked.length, 1);
  lab.now += 6 * MINUTE_MS;
  lab.answer = { authenticated: false, error: "pod is gone" };
  assert.equal(await lab.statusOf(good), 401);
  assert.equal(lab.asked.length, 2);
});

test("an admission is no longer than its token's life", async () => {
  const lab = new Lab();
  const short = token(2 * MINUTE_MS);
  assert.deepEqual(await lab.admit(short), { kind: "admitted", againMs: 2 * MINUTE_MS });
});

test("a refusal is asked about again after seconds", async () => {
  const lab = new Lab();
  lab.answer = { authenticated: false };
  assert.equal(await lab.statusOf("x"), 401);
  assert.equal(await lab.statusOf("x"), 401);
  assert.equal(lab.asked.length, 1);
  lab.now += 5000;
  lab.answer = GOOD;
  assert.equal(await lab.statusOf("x"), 200);
});

test("with the API server away only tokens that were good go on, until they have surely ended", async () => {
  const lab = new Lab();
  const known = token(15 * MINUTE_MS);
  const bad = token(60 * MINUTE_MS, "bad");
  await lab.admit(known);
  lab.answer = { authenticated: false };
  await lab.admit(bad);
  lab.answer = new ReviewUnavailable("the API server does not answer");
  lab.now += 11 * MINUTE_MS;
  assert.deepEqual(await lab.admit(known), { kind: "admitted", againMs: 30_000 });
  assert.equal(await lab.statusOf(bad), 503);
  assert.equal(await lab.statusOf(token(MINUTE_MS, "new")), 503);
  assert.equal((await lab.admitter.admit("n2", `Bearer ${known}`)).kind, "refused");
  lab.now += 4 * MINUTE_MS;
  assert.equal(await lab.statusOf(known), 503);
});

test("a token's life counts from when it was first accepted, however often it is asked about", async () => {
  const lab = new Lab();
  const good = token(60 * MINUTE_MS);
  for (let minutes = 0; minutes < 60; minutes += 10) {
    assert.equal(await lab.statusOf(good), 200);
    lab.now += 10 * MINUTE_MS;
  }
  assert.equal(lab.asked.length, 6);
  lab.answer = new ReviewUnavailable("away");
  assert.equal(await lab.statusOf(good), 503);
});

test("a token that does not say how long it lives counts for ten minutes", async () => {
  const part = (text: string): string => Buffer.from(text).toString("base64url");
  const claims = ["{}", "null", '{"exp":1}', '{"iat":2,"exp":2}', '{"iat":"1","exp":"2"}', "x"];
  for (const text of ["x", ...claims.map((claim) => `e30.${part(claim)}.c2ln`)]) {
    const lab = new Lab();
    assert.deepEqual(await lab.admit(text), { kind: "admitted", againMs: 10 * MINUTE_MS });
    lab.answer = new ReviewUnavailable("away");
    lab.now += 10 * MINUTE_MS;
    assert.equal(await lab.statusOf(text), 503, text);
  }
});

test("a thousand agents with their tokens at once are a few questions at a time, one for each token", async () => {
  let busy = 0;
  let most = 0;
  let asked = 0;
  const admitter = new Admitter({
    namespace: "nodemesh",
    nodeOfPod: () => undefined,
    now: () => 0,
    review: async () => {
      asked++;
      most = Math.max(most, ++busy);
      await new Promise(setImmediate);
      busy--;
      return GOOD;
    },
  });
  const all = Array.from({ length: 1000 }, (_, i) => admitter.admit("n1", `Bearer t${i % 500}`));
  const admissions = await Promise.all(all);
  assert.equal(admissions.filter(({ kind }) => kind === "admitted").length, 1000);
  assert.equal(asked, 500);
  assert.ok(most <= 33, `${most} questions at a time`);
});

test("what is no token is refused without asking anybody", async () => {
  const lab = new Lab();
  for (const header of [undefined, "", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "token"])
    assert.equal((await lab.admitter.admit("n1", header)).kind, "refused", String(header));
  assert.equal(await lab.statusOf("x".repeat(10_000)), 401);
  assert.deepEqual(lab.asked, []);
});

test("words that look like a token are never believed about their end before the API server has spoken", async () => {
  const lab = new Lab();
  lab.answer = { authenticated: false };
  const forged = token(1e12);
  assert.equal(await lab.statusOf(forged), 401);
  lab.answer = new ReviewUnavailable("away");
  lab.now += MINUTE_MS;
  assert.equal(await lab.statusOf(forged), 503);
});

test("however many other tokens are shown, an agent's is not forgotten", async () => {
  const lab = new Lab();
  const good = token(60 * MINUTE_MS);
  assert.equal(await lab.statusOf(good), 200);
  const other = { username: "system:serviceaccount:shop:user" };
  const others: readonly ReviewStatus[] = [{ authenticated: false }, { ...GOOD, user: other }];
  for (const answer of others) {
    lab.answer = answer;
    for (let i = 0; i < 10_001; i++) await lab.admit(`${answer.authenticated}${i}`);
  }
  lab.answer = new ReviewUnavailable("away");
  lab.now += 10 * MINUTE_MS;
  assert.equal(await lab.statusOf(good), 200);
});

test("what is known is told without a question", async () => {
  const lab = new Lab();
  const good = token(60 * MINUTE_MS);
  const recall = (text: string): string => lab.admitter.recall("n1", `Bearer ${text}`).kind;
  assert.equal(recall(good), "unknown");
  await lab.admit(good);
  assert.equal(recall(good), "fresh");
  lab.now += 10 * MINUTE_MS;
  assert.equal(recall(good), "agent");
  lab.answer = { authenticated: false };
  await lab.admit("junk");
  assert.equal(recall("junk"), "fresh");
  lab.now += MINUTE_MS;
  assert.equal(recall("junk"), "unknown");
  assert.equal(recall("no token"), "fresh");
  assert.equal(lab.asked.length, 2);
});
