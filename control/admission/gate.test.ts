/** Whose question comes when, with an API server that answers when the test says so. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../test/support/until.ts";
import { AdmissionGate, type Asker, type Recollection, type StreamAdmission } from "./gate.ts";

const YES: StreamAdmission = { kind: "admitted", againMs: 1000 };
const NO: StreamAdmission = { kind: "refused", status: 401, problem: "no" };

class Lab {
  now = 0;
  /** Tokens in the order in which they were asked about; those of agents begin with `good`. */
  readonly asked: string[] = [];
  /** Answers that are held back while the API server is slow. */
  readonly held: (() => void)[] = [];
  slow = false;
  recollection: Recollection = { kind: "unknown" };
  readonly gate = new AdmissionGate({
    now: () => this.now,
    recall: (_, token) => (token === "known" ? this.recollection : { kind: "unknown" }),
    admit: async (_, token = "") => {
      this.asked.push(token);
      if (this.slow) await new Promise<void>((resolve) => this.held.push(resolve));
      return token.startsWith("good") || token === "known" ? YES : NO;
    },
  });

  admit(asker: Asker, token: string): Promise<StreamAdmission> {
    return this.gate.admit(asker, "n1", token);
  }

  /** Refused so often that questions from there wait for one another. */
  async makeSuspect(address: string): Promise<void> {
    for (let i = 0; i < 8; i++) await this.admit(from(address), "junk");
    this.asked.length = 0;
  }
}

function from(address: string, isGone: () => boolean = () => false): Asker {
  return { address, isGone };
}

describe("one connection", () => {
  test("asks one question at a time, and after a refusal none", async () => {
    const lab = new Lab();
    const asker = from("a");
    const answers = Array.from({ length: 16 }, (_, i) => lab.admit(asker, `junk${i}`));
    assert.deepEqual(new Set(await Promise.all(answers)), new Set([NO]));
    assert.deepEqual(lab.asked, ["junk0"]);
    assert.equal(lab.gate.isRefused(asker), true);
    assert.deepEqual(await lab.admit(asker, "good"), NO);
    assert.deepEqual(lab.asked, ["junk0"]);
  });

  test("that opens and resets requests does not pile up questions", async () => {
    const lab = new Lab();
    lab.slow = true;
    const asker = from("a");
    const answers = Array.from({ length: 1000 }, () => lab.admit(asker, "junk"));
    await until("it asks", () => lab.held.length === 1);
    const busy = await Promise.all(answers.slice(16));
    assert.ok(busy.every((one) => one.kind === "refused" && one.status === 503));
    lab.held[0]?.();
    assert.deepEqual(new Set(await Promise.all(answers.slice(0, 16))), new Set([NO]));
  });

  test("that was admitted may err, and is asked about again", async () => {
    const lab = new Lab();
    const asker = from("a");
    assert.deepEqual(await lab.admit(asker, "good"), YES);
    assert.deepEqual(await lab.admit(asker, "junk"), NO);
    assert.equal(lab.gate.isRefused(asker), false);
    assert.deepEqual(await lab.admit(asker, "good2"), YES);
  });
});

describe("many connections", () => {
  test("a known agent waits for nobody, not even for an API server that is asked about strangers", async () => {
    const lab = new Lab();
    lab.slow = true;
    for (let i = 0; i < 100; i++) void lab.admit(from(`s${i}`), "junk");
    await until("strangers are asked about", () => lab.held.length === 24);
    lab.recollection = { kind: "fresh", admission: YES };
    assert.deepEqual(await lab.admit(from("a"), "known"), YES);
    lab.recollection = { kind: "agent" };
    const again = lab.admit(from("a"), "known");
    await until("it is asked about", () => lab.asked.at(-1) === "known");
    lab.held.at(-1)?.();
    assert.deepEqual(await again, YES);
  });

  test("an agent from an address without refusals does not wait for a suspect one's", async () => {
    const lab = new Lab();
    await lab.makeSuspect("bad");
    lab.slow = true;
    for (let i = 0; i < 128; i++) void lab.admit(from("bad"), "junk");
    await until("some are asked about", () => lab.held.length === 4);
    const good = lab.admit(from("a"), "good");
    await until("it is asked about", () => lab.asked.at(-1) === "good");
    lab.held.at(-1)?.();
    assert.deepEqual(await good, YES);
    assert.equal(lab.asked.filter((token) => token === "junk").length, 4);
  });

  test("suspect addresses take turns, and those who are gone have none", async () => {
    const lab = new Lab();
    for (const address of ["bad", "worse"]) await lab.makeSuspect(address);
    let gone = false;
    const left = from("bad", () => gone);
    const answers = [
      ...Array.from({ length: 8 }, (_, i) => lab.admit(from("bad"), `bad${i}`)),
      lab.admit(left, "left"),
      lab.admit(from("worse"), "worse"),
    ];
    gone = true;
    await Promise.all(answers);
    assert.equal(lab.asked.indexOf("worse"), 2, lab.asked.join(" "));
    assert.equal(lab.asked.includes("left"), false);
  });

  test("refusals are forgotten after a minute", async () => {
    const lab = new Lab();
    await lab.makeSuspect("bad");
    lab.now += 60_000;
    lab.slow = true;
    for (let i = 0; i < 8; i++) void lab.admit(from("bad"), "junk");
    await until("more than a suspect's", () => lab.held.length === 8);
  });
});
