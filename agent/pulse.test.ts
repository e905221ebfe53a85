import assert from "node:assert/strict";
import { test } from "node:test";
import { createPulse, Pulse } from "./pulse.ts";

function rig() {
  const buffer = createPulse(2);
  const [main, first, second] = [
    new Pulse(buffer, "main"),
    new Pulse(buffer, 0),
    new Pulse(buffer, 1),
  ];
  return { main, first, second };
}

function times(count: number, work: () => void): void {
  for (let i = 0; i < count; i++) work();
}

test("workers beat from main's beginning to its end, and nobody is watched before and after", () => {
  const { main, first, second } = rig();
  times(100, () => assert.equal(first.tick().kind, "rests"));
  main.begin();
  for (let i = 0; i < 100; i++)
    assert.deepEqual(
      [main.tick(), first.tick(), second.tick()].map(({ kind }) => kind),
      ["beats", "beats", "beats"],
    );
  main.end();
  times(100, () => assert.equal(first.tick().kind, "rests"));
});

test("a main that is busy does not stop the beats; one that hangs for 10 s is told", () => {
  const { main, first, second } = rig();
  main.begin();
  main.tick();
  first.tick();
  for (let i = 0; i < 49; i++) {
    second.tick();
    assert.equal(first.tick().kind, "beats", `${i}`);
  }
  second.tick();
  assert.deepEqual(first.tick(), { kind: "hangs", worker: -1 });
  main.tick();
  assert.equal(first.tick().kind, "beats");
});

test("a worker that is silent for 3 s ends the others' beats, and goes on with them; for 10 s it hangs", () => {
  const { main, first, second } = rig();
  main.begin();
  second.tick();
  const both = (): string => {
    main.tick();
    return first.tick().kind;
  };
  times(15, () => assert.equal(both(), "beats"));
  assert.deepEqual(first.tick(), { kind: "silent", worker: 1 });
  second.tick();
  assert.equal(both(), "beats");
  times(50, () => {
    first.tick();
    main.tick();
  });
  first.tick();
  assert.deepEqual(main.tick(), { kind: "hangs", worker: 1 });
});

test("a process that was stopped finds nobody late", () => {
  const { main, first, second } = rig();
  main.begin();
  times(100, () => {
    main.tick();
    second.tick();
    first.tick();
  });
  // Whoever goes on first, after however long, has missed no tick of its own.
  assert.equal(first.tick().kind, "beats");
  assert.equal(first.tick().kind, "beats");
});
