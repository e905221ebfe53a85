import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Action, type Event, IDLE, mayRepeat, type State, transition } from "./transition.ts";

/** The states by short names. */
const STATES = {
  idle: IDLE,
  reachingOpen: { at: "reaching", upload: "open" },
  reaching: { at: "reaching", upload: "whole" },
  reachingCut: { at: "reaching", upload: "cut" },
  reachingLeft: { at: "reaching", upload: "left" },
  askingOpen: { at: "asking", upload: "open" },
  asking: { at: "asking", upload: "whole" },
  askingLeft: { at: "asking", upload: "left" },
  askingCut: { at: "asking", upload: "cut" },
  answeringOpen: { at: "answering", upload: "open" },
  answering: { at: "answering", upload: "whole" },
  answeringCut: { at: "answering", upload: "cut" },
  uploading: { at: "uploading", upload: "open" },
  upgraded: { at: "bytes", recorded: true },
  lengthless: { at: "bytes", recorded: false },
  leaving: { at: "leaving" },
} as const satisfies Record<string, State>;

type Name = keyof typeof STATES;

type Failed = Extract<Event, { is: "failed" }>;

const failed = (ending: Failed["ending"], again = false, mirrored = false): Event => ({
  is: "failed",
  ending,
  again,
  mirrored,
});

/** From, event, to, what is done. */
const TABLE: readonly (readonly [Name, Event, Name, string])[] = [
  ["idle", { is: "begin", whole: true, connected: true }, "asking", "send"],
  ["idle", { is: "begin", whole: false, connected: true }, "askingOpen", "resume-client send"],
  ["idle", { is: "begin", whole: true, connected: false }, "reaching", "reach"],
  ["idle", { is: "begin", whole: false, connected: false }, "reachingOpen", "reach"],
  ["reachingOpen", { is: "body", whole: false }, "reachingOpen", "keep"],
  ["reachingOpen", { is: "body", whole: true }, "reaching", "keep"],
  ["reachingOpen", { is: "client-ended" }, "reachingCut", ""],
  ["reaching", { is: "client-ended" }, "reachingLeft", ""],
  ["reaching", { is: "client-gone" }, "leaving", ""],
  ["reachingOpen", { is: "reached" }, "askingOpen", "resume-client send"],
  ["reaching", { is: "reached" }, "asking", "send"],
  ["reachingLeft", { is: "reached" }, "askingLeft", "send end-upload"],
  ["reachingCut", { is: "reached" }, "askingCut", "send end-upload"],
  [
    "reaching",
    { is: "unreachable", mirrored: false },
    "idle",
    "abandon refuse record settle forget end-answer",
  ],
  [
    "reaching",
    { is: "unreachable", mirrored: true },
    "idle",
    "abandon reset-client record settle forget",
  ],
  ["leaving", { is: "reached" }, "idle", "send deliver record settle forget leave"],
  ["leaving", { is: "unreachable", mirrored: false }, "idle", "abandon record settle forget leave"],
  ["askingOpen", { is: "body", whole: true }, "asking", "forward"],
  ["asking", { is: "interim" }, "asking", "pass-interim"],
  ["asking", { is: "head" }, "answering", "pass-head forget"],
  ["askingOpen", { is: "head" }, "answeringOpen", "pass-head forget"],
  ["asking", { is: "client-ended" }, "askingLeft", "end-upload"],
  ["asking", { is: "client-gone" }, "idle", "deliver record settle forget"],
  ["asking", failed("end", true), "reaching", "settle reach"],
  ["asking", failed("end"), "idle", "abandon refuse record settle forget end-answer"],
  ["asking", failed("end", false, true), "idle", "end-client record settle forget"],
  ["asking", failed("reset", false, true), "idle", "abandon reset-client record settle forget"],
  ["asking", failed("vanished", false, true), "idle", "abandon reset-client record settle forget"],
  [
    "asking",
    failed("malformed", false, true),
    "idle",
    "abandon refuse record settle forget end-answer",
  ],
  ["asking", { is: "unserved", again: true, mirrored: false }, "reaching", "abandon settle reach"],
  ["asking", { is: "unserved", again: false, mirrored: false }, "answering", "pass-head forget"],
  [
    "asking",
    { is: "unserved", again: false, mirrored: true },
    "idle",
    "abandon reset-client record settle forget",
  ],
  ["asking", { is: "too-late" }, "idle", "abandon refuse record settle forget end-answer"],
  ["asking", { is: "bytes", upgrade: true }, "upgraded", "forget tie record"],
  ["asking", { is: "bytes", upgrade: false }, "lengthless", "forget tie"],
  ["upgraded", { is: "untied" }, "idle", "settle"],
  ["lengthless", { is: "untied" }, "idle", "record settle"],
  ["answering", { is: "data" }, "answering", "pass-data"],
  ["answering", { is: "end" }, "idle", "record settle forget end-answer"],
  ["answeringOpen", { is: "end" }, "uploading", "record forget"],
  ["answeringCut", { is: "end" }, "idle", "record settle forget end-answer"],
  ["answering", failed("end"), "idle", "end-client record settle forget"],
  ["answering", failed("reset"), "idle", "abandon reset-client record settle forget"],
  ["answering", failed("vanished"), "idle", "abandon reset-client record settle forget"],
  [
    "answering",
    { is: "cut", mirrored: false },
    "idle",
    "abandon reset-client record settle forget",
  ],
  ["uploading", { is: "body", whole: false }, "uploading", "forward"],
  ["uploading", { is: "body", whole: true }, "idle", "forward settle end-answer"],
  ["uploading", failed("end"), "uploading", "half-close"],
  ["uploading", failed("reset"), "idle", "abandon reset-client settle"],
  ["uploading", { is: "client-ended" }, "idle", "end-upload settle end-answer"],
  ["uploading", { is: "client-gone" }, "idle", "deliver settle"],
  ["asking", { is: "dropped" }, "idle", "abandon record settle forget"],
  ["leaving", { is: "dropped" }, "idle", "abandon record settle forget leave"],
  ["uploading", { is: "dropped" }, "idle", "abandon settle"],
  ["idle", { is: "dropped" }, "idle", ""],
];

for (const [from, event, to, actions] of TABLE)
  test(`${from}: ${JSON.stringify(event)} leads to ${to}`, () => {
    const step = transition(STATES[from], event);
    assert.deepEqual(step.state, STATES[to]);
    assert.equal(step.actions.join(" "), actions);
  });

test("an event of an attempt that does not exist is a bug, and says so", () => {
  assert.throws(() => transition(IDLE, { is: "head" }), /idle can't hear of "head"/);
  assert.throws(() => transition(STATES.leaving, { is: "data" }), /leaving/);
});

const EVENTS: readonly Event[] = [
  ...[true, false].map((whole): Event => ({ is: "body", whole })),
  { is: "client-ended" },
  { is: "client-gone" },
  { is: "reached" },
  { is: "interim" },
  { is: "head" },
  { is: "data" },
  { is: "end" },
  { is: "untied" },
  { is: "too-late" },
  { is: "dropped" },
  ...[true, false].flatMap((flag): Event[] => [
    { is: "unreachable", mirrored: flag },
    { is: "cut", mirrored: flag },
    { is: "bytes", upgrade: flag },
    { is: "unserved", again: true, mirrored: flag },
    { is: "unserved", again: false, mirrored: flag },
    failed("end", flag, false),
    failed("reset", false, flag),
    failed("vanished", false, flag),
    failed("malformed", false, flag),
  ]),
];

/** What the acting side would deliver in this state: attempts speak only while there is one, and so on. */
function isPossible(state: State, event: Event): boolean {
  try {
    transition(state, event);
    return true;
  } catch {
    return false;
  }
}

test("what may be repeated is whole, and its server did not end because its client had", () => {
  const end = { kind: "end" } as const;
  const repeats = [STATES.askingOpen, STATES.askingCut, STATES.asking, STATES.askingLeft].map(
    (state) => [mayRepeat(state, end, false), mayRepeat(state, end, true)],
  );
  assert.deepEqual(repeats, [
    [false, false],
    [false, false],
    [true, true],
    [false, true],
  ]);
  assert.equal(mayRepeat(STATES.askingLeft, { kind: "reset" }, false), true);
});

test("whatever happens in whatever order: one record, one end, nothing sent twice without asking", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.constantFrom(...EVENTS), { maxLength: 30 }),
      (whole, connected, events) => {
        const done: Action[] = [];
        let { state, actions } = transition(IDLE, { is: "begin", whole, connected });
        done.push(...actions);
        for (const event of events) {
          if (state === IDLE) break;
          if (!isPossible(state, event)) continue;
          ({ state, actions } = transition(state, event));
          done.push(...actions);
        }
        const count = (...names: readonly Action[]) =>
          done.filter((action) => names.includes(action)).length;
        const ends = count("end-answer", "end-client", "reset-client", "deliver", "leave");
        const dropped = done.at(-1) !== "leave" && count("abandon") > 0 && ends === 0;
        assert.ok(count("record") <= 1, `recorded twice: ${done}`);
        assert.ok(count("pass-head", "tie", "refuse") <= 1, `answered twice: ${done}`);
        assert.equal(count("send") <= count("reach") + (connected ? 1 : 0), true, `${done}`);
        if (state !== IDLE) return;
        assert.equal(count("record"), 1, `not recorded: ${done}`);
        assert.ok(ends >= 1 || dropped || count("tie") === 1, `no end: ${done}`);
        assert.ok(done.includes("settle"), `not settled: ${done}`);
      },
    ),
    { numRuns: 5000 },
  );
});
