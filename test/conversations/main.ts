/**
 * Conversations by the thousand: `npm run fuzz -- --help`. What goes wrong is printed, made smaller, as a value for
 * regressions.ts.
 */
import { readFileSync } from "node:fs";
import { inspect, parseArgs } from "node:util";
import type { Conversation } from "./conversation.ts";
import { confirmed, crowd, type Failure, problemsOf } from "./crowd.ts";
import { generate } from "./generate.ts";
import { count, type Has, INGREDIENTS } from "./ingredients.ts";
import { settle, withoutMesh } from "./settle.ts";
import { shrink } from "./shrink.ts";
import { Stage } from "./stage.ts";

const HELP = `npm run fuzz -- [options]: holds random conversations through a data worker.
  --count N     how many (200000)
  --from N      first seed (the time); the same seed makes the same conversation
  --seed N      just this one
  --file FILE   just the conversation in this file (JSON)
  --times N     the one of --seed or --file so often (1): for races
  --at-once N   held at the same time (150)
  --only NAME   just those with this ingredient, see --table
  --table       hold none; print how many of them have each ingredient
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
    times: { type: "string", default: "1" },
    "at-once": { type: "string", default: "150" },
    only: { type: "string" },
    table: { type: "boolean", default: false },
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
  const { file, seed: number } = values;
  if (file !== undefined || number !== undefined) {
    const conversation =
      file === undefined ? made(Number(number)) : settle(JSON.parse(readFileSync(file, "utf8")));
    for (let left = Number(values.times); left > 0; left--)
      yield { seed: Number(number ?? 0), conversation };
    return;
  }
  const from = Number(values.from ?? Date.now());
  say(`seeds from ${from}`);
  const wanted = ingredient();
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

/** What the conversations are to have; throws when there is no such thing. */
function ingredient(): Has {
  if (values.only === undefined) return () => true;
  const has = INGREDIENTS[values.only];
  if (has === undefined)
    throw new Error(`--only ${values.only}: one of ${Object.keys(INGREDIENTS).join(" ")}`);
  return has;
}

function sayTable(): void {
  const conversations = [...chosen()].map(({ conversation }) => conversation);
  for (const [name, times] of count(conversations))
    say(`${name}: ${times} of ${conversations.length}`);
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
  const certain = await confirmed(stage, failures);
  if (certain.length < failures.length)
    say(
      `${certain.length} of them for certain: the others were slow, and went right when held again`,
    );
  sayKinds(certain);
  for (const failure of certain.slice(0, Number(values.shrink))) await saySmaller(stage, failure);
  for (const bug of stage.bugs) say(`the worker had a bug: ${bug}`);
  return certain.length + stage.bugs.length;
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
else if (values.table) sayTable();
else process.exitCode = (await run()) === 0 ? 0 : 1;
