import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { assertNoNewDescriptors, openDescriptors } from "../../test/support/descriptors.ts";
import { FaultySystem } from "../../test/support/faulty-system.ts";
import { LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import { Sockets } from "../kernel/sockets.ts";
import type { Channel } from "./channel.ts";
import { Loop, wakeLoop } from "./loop.ts";
import { Timer } from "./timers.ts";

test("a blocked loop in a worker thread is woken, told once per batch, and stopped by a message", async () => {
  const base = new URL("./", import.meta.url).href;
  const source = `
    const { parentPort, receiveMessageOnPort, workerData } = await import("node:worker_threads");
    const { Loop } = await import("${base}loop.ts");
    const { Sockets } = await import("${base}../kernel/sockets.ts");
    const loop = new Loop({ system: new Sockets() });
    const got = [];
    loop.onWake = () => {
      for (let m; (m = receiveMessageOnPort(workerData)) !== undefined; ) {
        got.push(m.message);
        if (m.message === "stop") loop.stop();
      }
    };
    parentPort.postMessage(loop.wakeFd);
    loop.run();
    loop.dispose();
    parentPort.postMessage(got);`;
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: port2,
    transferList: [port2],
  });
  const next = () => new Promise((resolve) => worker.once("message", resolve));
  const wakeFd = Number(await next());
  const answer = next();
  const system = new Sockets();
  for (const message of ["one", "two", "stop"]) {
    port1.postMessage(message);
    assert.equal(wakeLoop(system, wakeFd), 0);
  }
  assert.deepEqual(await answer, ["one", "two", "stop"]);
  port1.close();
  await worker.terminate();
});

test("a process whose worker is blocked in a quiet loop can still exit", () => {
  const base = new URL("./", import.meta.url).href;
  const worker = `
    const { Loop } = await import("${base}loop.ts");
    const { Sockets } = await import("${base}../kernel/sockets.ts");
    const { parentPort } = await import("node:worker_threads");
    const loop = new Loop({ system: new Sockets() });
    parentPort.postMessage("turning");
    loop.run();`;
  const main = `
    import { Worker } from "node:worker_threads";
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(worker)})));
    worker.once("message", () => process.exit(7));`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", main], {
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  assert.equal(child.status, 7, String(child.stderr));
});

test("a loop with nothing to do makes no system call but the wait; a timer ends the wait in time", () => {
  const system = new FaultySystem();
  const loop = new Loop({ system });
  system.arm(undefined);
  let fired = 0;
  const timer = new Timer({
    onTimer: () => {
      fired = loop.now;
      loop.stop();
    },
  });
  const start = loop.now;
  loop.arm(timer, 120);
  loop.run();
  assert.ok(fired - start >= 119 && fired - start < 1000, `${fired - start} ms`);
  assert.ok(system.count("epollWait") <= 4, `${system.count("epollWait")} waits`);
  assert.equal(system.count("read"), 0);
  loop.dispose();
});

test("a handler may end another channel whose events are already at hand", () => {
  const before = openDescriptors();
  const lab = new LoopLab();
  const accepted: Channel[] = [];
  const recorders: Recorder[] = [];
  const at = lab.serve(({ channel }) => {
    const others = new Recorder({
      onData: () => {
        for (const other of accepted) if (other !== channel) other.reset();
      },
    });
    accepted.push(channel);
    recorders.push(others);
    channel.handler = others;
  });
  const dial = () => lab.dial(at, new Recorder());
  const clients = [dial(), dial(), dial()];
  lab.until(() => accepted.length === 3, "all accepted");
  for (const client of clients) client.write(Buffer.from("x"), 0, 1);
  lab.until(() => recorders.filter(({ cause }) => cause !== undefined).length === 2, "two ended");
  assert.equal(recorders.filter(({ received }) => received.length > 0).length, 1, "one got data");
  for (const client of clients) client.reset();
  lab.end();
  assertNoNewDescriptors(before);
});

test("without a bug handler an exception leaves the loop, and the loop can go on", () => {
  const lab = new LoopLab();
  const at = lab.serve(() => {
    throw new Error("bug in onAccept");
  });
  const client = new Recorder();
  lab.dial(at, client);
  assert.throws(() => lab.until(() => false, "throws"), /bug in onAccept/);
  lab.until(() => client.cause !== undefined, "the client is told");
  assert.equal(client.cause?.kind, "reset");
  lab.end();
});
