/**
 * Conversations by the thousand: `npm run fuzz -- --help`. What goes wrong is printed, made smaller, as a value for
 * regressions.ts.
 */
import { readFileSync } from "node:fs";
import { inspect, parseArgs } from "node:util";
import type { Conversation } from "./conversation.ts";
import { crowd, type Failure, problemsOf } from "./crowd.ts";
import { generate } from "./generate.ts";
import { KNOWN, knownOf } from "./known.ts";
import { settle, withoutMesh } from "./settle.ts";
import { shrink } from "./shrink.ts";
import { Stage } from "./stage.ts";

const HELP = `npm run fuzz -- [options]: holds random conversations through a data worker.
  --count N     how many (200000)
  --from N      first seed (the time); the same seed makes the same conversation
  --seed N      just this one
  --file FILE   just the conversation in this file (JSON)
  --at-once N   held at the same time (150)
  --only NAME   just a kind that known.ts leaves out: ${KNOWN.map(({ name }) => name).join(" ")}
  --all         leave nothing out
  --direct      without a mesh: tries out what is held to be right
  --verbose     print every problem when it is seen
  --shrink N    make the first N failures smaller (5)
Exit code: 0 = all went as it may, 1 = something did not.`;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "200000" },
    from: { type: "string" },
    seed: { type: "string" },
    file: { type: "string" },
    "at-once": { type: "string", default: "150" },
    only: { type: "string" },
    all: { type: "boolean", default: false },
    direct: { type: "boolean", default: false },
    shrink: { type: "string", default: "5" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

interface Chosen {
  readonly seed: number;
  readonly conversation: Conversation;
}

/** How often the state is printed, conversations. */
const SAY_EVERY = 10_000;

function* chosen(): Generator<Chosen> {
  if (values.file !== undefined) {
    yield { seed: 0, conversation: settle(JSON.parse(readFileSync(values.file, "utf8"))) };
    return;
  }
  if (values.seed !== undefined) {
    yield { seed: Number(values.seed), conversation: made(Number(values.seed)) };
    return;
  }
  const from = Number(values.from ?? Date.now());
  say(`seeds from ${from}`);
  let left = Number(values.count);
  for (let seed = from; left > 0; seed++) {
    const conversation = made(seed);
    if (!wanted(conversation)) continue;
    left--;
    yield { seed, conversation };
  }
}

function made(seed: number): Conversation {
  const conversation = generate(seed);
  return values.direct ? withoutMesh(conversation) : conversation;
}

function wanted(conversation: Conversation): boolean {
  if (values.all || values.direct) return true;
  const known = knownOf(conversation);
  return values.only === undefined ? known.length === 0 : known.join() === values.only;
}

async function run(): Promise<number> {
  await using stage = await Stage.open(values.direct);
  const failures: Failure[] = [];
  let held = 0;
  const began = performance.now();
  await crowd(stage, {
    conversations: chosen(),
    atOnce: Number(values["at-once"]),
    onFailure: (failure) => {
      failures.push(failure);
      if (values.verbose)
        for (const { kind, text } of failure.problems) say(`${failure.seed} ${kind}: ${text}`);
    },
    onHeld: () => {
      if (++held % SAY_EVERY === 0) say(`${held} held, ${failures.length} went wrong`);
    },
  });
  const seconds = (performance.now() - began) / 1000;
  say(
    `${held} in ${seconds.toFixed(1)} s (${(held / seconds).toFixed(0)}/s), ${failures.length} went wrong`,
  );
  sayKinds(failures);
  for (const failure of failures.slice(0, Number(values.shrink))) await saySmaller(stage, failure);
  for (const bug of stage.bugs) say(`the worker had a bug: ${bug}`);
  return failures.length + stage.bugs.length;
}

function sayKinds(failures: readonly Failure[]): void {
  const kinds = new Map<string, number[]>();
  for (const { seed, problems } of failures)
    for (const kind of new Set(problems.map((one) => one.kind)))
      kinds.set(kind, [...(kinds.get(kind) ?? []), seed]);
  for (const [kind, seeds] of kinds)
    say(`${kind}: ${seeds.length} times, seeds ${seeds.slice(0, 12).join(" ")}`);
}

async function saySmaller(stage: Stage, { seed, conversation, problems }: Failure): Promise<void> {
  const kinds = new Set(problems.map(({ kind }) => kind));
  const smaller = await shrink(conversation, async (one) =>
    (await problemsOf(stage, one)).some(({ kind }) => kinds.has(kind)),
  );
  say(`\nseed ${seed}:`);
  for (const { kind, text } of problems) say(`  ${kind}: ${text}`);
  say(inspect(smaller, { depth: 20, breakLength: 120 }));
}

function say(line: string): void {
  console.log(line);
}

if (values.help) say(HELP);
else process.exitCode = (await run()) === 0 ? 0 : 1;
