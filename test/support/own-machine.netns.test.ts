import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hierarchies, v2Root } from "../cluster/cgroups.ts";
import { isAlive } from "./is-alive.ts";
import { homeIn, OwnMachine } from "./own-machine.ts";
import { until } from "./until.ts";

const BPF = join(import.meta.dirname, "../../agent/kernel/bpf.ts");
const HERE = join(import.meta.dirname, "own-machine.ts");
const MAP = "type array key 4 value 4 entries 1 name left";
const MESH = `import { MeshBpf } from "${BPF}";
  new MeshBpf({ pinDirectory: "/sys/fs/bpf/left", cgroup: "${v2Root()}" });`;

/** What the kernel itself puts into each BPF file system. */
const BPFFS = [
  /^pin .*maps.debug$/,
  /^pin .*progs.debug$/,
  /^file .*maps.debug$/,
  /^file .*progs.debug$/,
];

/** A process, which may not yet have become what it is to be. */
const PROCESS = /^process \d+ \((?:sh|env|sleep)\)$/;

/** Shell scripts by what they leave behind, each with the words that tell it. */
const LEAKS: readonly (readonly [script: string, ...words: readonly RegExp[]])[] = [
  ["ip link add left type veth peer name behind", /^link left$/, /^link behind$/],
  ["ip netns add left", /^mount \/run\/netns/, /^namespace .*\/left$/, /^file .*\/left$/],
  ["mkdir /run/disk; mount -t tmpfs tmpfs /run/disk", /^mount \/run\/disk/],
  ["env -i sleep 1000 </dev/null >/dev/null 2>&1 &", PROCESS],
  ["echo left >/run/left.log", /^file \/run\/left.log$/],
  [`bpftool map create /sys/fs/bpf/left ${MAP}`, /^pin \/sys\/fs\/bpf\/left$/],
  ["mkdir /run/bpf; mount -t bpf bpf /run/bpf", /^mount \/run\/bpf/, ...BPFFS],
  [
    `mkdir ${v2Root()}/left; echo $$ >${v2Root()}/left/cgroup.procs; exec >&- 2>&-; sleep 1000 &`,
    /^cgroup .*\/left$/,
    PROCESS,
  ],
];

test("what is left in a machine is told, and nothing of what is left in another", async () => {
  await using mine = await OwnMachine.start();
  for (const [script, ...words] of LEAKS) {
    await using other = await OwnMachine.start();
    await runIn(other, ["sh", "-euc", script]);
    const left = await other.left(0);
    assert.equal(left.length, words.length, `${script}: ${left}`);
    for (const word of words)
      assert.ok(
        left.some((one) => word.test(one)),
        `${script}: ${left}`,
      );
    assert.deepEqual(await mine.left(0), [], script);
  }
});

test("BPF links that stay are told by their pins", async () => {
  await using mine = await OwnMachine.start();
  await using other = await OwnMachine.start();
  await runIn(other, [process.execPath, "--input-type=module-typescript", "--eval", MESH]);
  const left = await other.left(0);
  assert.ok(
    left.some((word) => /^pin \/sys\/fs\/bpf\/left\/cgroup-\d+-/.test(word)),
    `${left}`,
  );
  assert.deepEqual(await mine.left(0), []);
});

test("a cgroup that stays is seen in each hierarchy", async () => {
  for (const { point } of hierarchies()) {
    await using machine = await OwnMachine.start();
    await runIn(machine, ["mkdir", `${point}/left`]);
    const left = await machine.left(0);
    assert.equal(left.length, 1, `${point}: ${left}`);
    assert.match(left[0] ?? "", /^cgroup .*\/left$/);
  }
});

test("a machine ends with all that runs in it, and when whoever made it is killed", async () => {
  const ends = {
    "disposed of": async (keeper: ChildProcess) => keeper.stdin?.end(),
    killed: async (keeper: ChildProcess) => keeper.kill("SIGKILL"),
  };
  for (const [how, end] of Object.entries(ends)) {
    // The killed one's empty cgroups go with this one.
    await using around = await OwnMachine.start();
    const script = `import { OwnMachine } from "${HERE}";
      import { spawn } from "node:child_process";
      await using machine = await OwnMachine.start();
      const [file, ...args] = machine.command(["sleep", "1000"]);
      process.stdout.write(String(spawn(file, args, { detached: true, stdio: "ignore" }).pid));
      for await (const bytes of process.stdin);`;
    const words = [process.execPath, "--input-type=module-typescript", "--eval", script];
    const [file = "", ...args] = around.command(words);
    const keeper = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    const [said] = await once(keeper.stdout, "data");
    const exited = once(keeper, "exit");
    await end(keeper);
    await exited;
    await until(`${how}: the process has ended`, () => !isAlive(Number(String(said))));
    if (how === "disposed of") assert.deepEqual(await around.left(), []);
  }
});

test("a machine that is disposed of leaves no cgroup", async () => {
  const before = ownCgroups();
  {
    await using machine = await OwnMachine.start();
    await runIn(machine, ["true"]);
    assert.equal(ownCgroups().length, before.length + hierarchies().length);
  }
  assert.deepEqual(ownCgroups(), before);
});

test("cgroups that a killed process had to leave are removed by the next machine", async () => {
  const child = spawn("true");
  await once(child, "exit");
  const stale = hierarchies().map(({ point }) => join(point, `nodemesh-test-${child.pid}-0`));
  for (const path of stale) mkdirSync(join(path, "below"), { recursive: true });
  await using _machine = await OwnMachine.start();
  assert.deepEqual(stale.filter(existsSync), []);
});

test("a process's own cgroup is found by its hierarchy's controllers or name", () => {
  const text = "4:memory:/build/7\n3:cpuacct,cpu:/\n2:name=systemd:/user.slice\n0::/session\n";
  assert.equal(homeIn(text, { kind: "v1", options: "memory" }), "/build/7");
  assert.equal(homeIn(text, { kind: "v1", options: "cpu,cpuacct" }), "/");
  assert.equal(homeIn(text, { kind: "v1", options: "none,name=systemd" }), "/user.slice");
  assert.equal(homeIn(text, { kind: "v1", options: "pids" }), "/");
  assert.equal(homeIn(text, { kind: "v2", options: "" }), "/session");
});

async function runIn(machine: OwnMachine, words: readonly string[]): Promise<void> {
  const [file = "", ...args] = machine.command(words);
  const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = await once(child, "exit");
  assert.equal(code, 0, words.join(" "));
}

/** The cgroups that machines of this process have in the machine it runs in. */
function ownCgroups(): readonly string[] {
  return hierarchies().flatMap(({ point }) =>
    readdirSync(point).filter((name) => name.startsWith(`nodemesh-test-${process.pid}-`)),
  );
}
