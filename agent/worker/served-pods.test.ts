import assert from "node:assert/strict";
import { fstatSync, openSync } from "node:fs";
import { test } from "node:test";
import { LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import type { Accepted } from "../engine/listen.ts";
import { openListener } from "../engine/listen.ts";
import type { SocketAddress } from "../engine/system.ts";
import type { Permit } from "../flow/authorize.ts";
import type { Connection, LocalPod } from "../flow/pod.ts";
import { Sockets } from "../kernel/sockets.ts";
import type { Answer } from "../messages.ts";
import { Reply } from "./commands.ts";
import { HANDOVER_MS } from "./movable-listener.ts";
import { CUT_MS, ServedPods } from "./served-pods.ts";

/** A connection, and how it ends. */
interface Released extends Connection {
  readonly release: () => void;
}

interface Harness extends Disposable {
  readonly lab: LoopLab;
  readonly pods: ServedPods;
  readonly connections: Released[];
  readonly bugs: string[];
  readonly closed: readonly number[];
  readonly addresses: Map<string, readonly string[]>;
  /** Serves a pod; where it listens, and its namespace. */
  serve(uid: string): { readonly at: SocketAddress; readonly netnsFd: number };
}

/** Notes which descriptors it closes: the number of one that is closed twice may be another's by then. */
class NotingSockets extends Sockets {
  readonly closed: number[] = [];

  override close(fd: number): number {
    this.closed.push(fd);
    return super.close(fd);
  }
}

/** Pods whose connections end when they are cut, but for those of the pods that are named. */
function harness(stubborn: readonly string[]): Harness {
  const system = new NotingSockets();
  const lab = new LoopLab(system);
  const connections: Released[] = [];
  const bugs: string[] = [];
  const addresses = new Map<string, readonly string[]>();
  const onAccept = (pod: LocalPod, { channel }: Accepted): void => {
    channel.handler = new Recorder();
    const release = (): void => {
      channel.reset();
      pod.release(connection);
    };
    const connection: Released = {
      ...{ release, drain: () => {}, account: () => {}, describe: () => ({ phase: "stuck" }) },
      permit: {} as Permit,
      attend: () => {},
      cut: () => {
        if (!stubborn.includes(pod.uid)) release();
      },
    };
    connections.push(connection);
    pod.carry(connection);
  };
  const pools = { timers: lab.loop, now: () => lab.loop.now, rideMs: 1000 };
  const pods = new ServedPods({
    ...{ loop: lab.loop, tally: { carried: 0, pools }, onAccept, onIdle: () => {} },
    onAcceptFailed: (errno) => bugs.push(errno),
    onAddresses: (uid, known) => (known ? addresses.set(uid, known) : addresses.delete(uid)),
    onBug: (text) => bugs.push(text),
  });
  return {
    ...{ lab, pods, connections, bugs, addresses, closed: system.closed },
    serve: (uid) => {
      const { fd: listenerFd, at } = listener(lab);
      const netnsFd = openSync("/proc/self/ns/net", "r");
      const localPorts = { first: 32_768, last: 60_999 };
      const init = { uid, owner: 0, netnsFd, listenerFd, localPorts };
      const served = pods.serve({ ...init, netnsCookie: 0n, addresses: [at.ip] });
      assert.deepEqual(served, { kind: "done" });
      return { at, netnsFd };
    },
    [Symbol.dispose]: () => lab.end(),
  };
}

/** A reply and what was given to it. */
function replied(): { readonly reply: Reply; readonly answers: Answer[] } {
  const answers: Answer[] = [];
  return { reply: new Reply((answer) => answers.push(answer)), answers };
}

/** Opens a listener for a pod. */
function listener(lab: LoopLab): { readonly fd: number; readonly at: SocketAddress } {
  const fd = openListener(lab.loop.system, { at: { ip: "127.0.0.1", port: 0 } });
  const at = lab.loop.system.localAddress(fd);
  assert.ok(typeof at === "object");
  return { fd, at };
}

/** Opens a connection and waits until it is carried. */
function dial({ lab, connections }: Harness, to: SocketAddress): void {
  const before = connections.length;
  lab.dial(to, new Recorder());
  lab.until(() => connections.length > before, "the connection is carried");
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

test("a pod is forgotten as soon as its connections are cut, with its namespace", () => {
  using h = harness([]);
  const { at, netnsFd } = h.serve("a");
  assert.deepEqual(h.addresses.get("a"), [at.ip]);
  dial(h, at);
  const { reply, answers } = replied();
  assert.equal(h.pods.forget("a", reply), "later");
  assert.deepEqual(answers, [{ kind: "done" }]);
  assert.equal(h.addresses.has("a"), false);
  const closes = h.closed.filter((fd) => fd === netnsFd);
  assert.deepEqual([isOpen(netnsFd), closes.length], [false, 1]);
  assert.deepEqual(h.bugs, []);
});

test("a connection that a cut does not end holds neither its pod for long nor another one, and is told of", () => {
  using h = harness(["a"]);
  const { at, netnsFd } = h.serve("a");
  const other = h.serve("b");
  dial(h, at);
  dial(h, other.at);
  const [first, second] = [replied(), replied()];
  const from = performance.now();
  h.pods.forget("a", first.reply);
  h.pods.forget("b", second.reply);
  const again = replied();
  assert.equal(h.pods.forget("a", again.reply), "later");
  assert.deepEqual(second.answers, [{ kind: "done" }]);
  assert.deepEqual(first.answers, []);
  h.lab.until(() => first.answers.length > 0, "it is given up", CUT_MS + 1000);
  assert.ok(performance.now() - from >= CUT_MS - 50, "connections have time to end");
  assert.deepEqual([...first.answers, ...again.answers], [{ kind: "done" }, { kind: "done" }]);
  assert.match(h.bugs.join(), /pod a is gone, and 1 of its connections did not end.*"stuck"/);
  assert.ok(isOpen(netnsFd), "what is left may still use it: no other pod gets the number");
  // The same pod may be back long before.
  const back = h.serve("a");
  h.connections[0]?.release();
  assert.equal(isOpen(netnsFd), false);
  dial(h, back.at);
  h.connections.at(-1)?.release();
  const last = replied();
  h.pods.forget("a", last.reply);
  assert.deepEqual(last.answers, [{ kind: "done" }]);
});

test("who watches a pod is answered once nothing was carried for a while, and when it is forgotten", () => {
  using h = harness([]);
  const { at } = h.serve("a");
  dial(h, at);
  const [idle, forgotten, stranger] = [replied(), replied(), replied()];
  assert.equal(h.pods.watch("a", idle.reply), "later");
  h.lab.loop.turn(0);
  assert.deepEqual(idle.answers, []);
  h.connections[0]?.release();
  h.lab.until(() => idle.answers.length > 0, "it is idle");
  dial(h, at);
  assert.equal(h.pods.watch("a", forgotten.reply), "later");
  h.pods.forget("a", replied().reply);
  assert.deepEqual(forgotten.answers, [{ kind: "done" }]);
  assert.deepEqual(h.pods.watch("a", stranger.reply), { kind: "done" });
});

test("a pod that moves is accepted for at both places for a while, then at the new one only", () => {
  using h = harness([]);
  const { at } = h.serve("a");
  dial(h, at);
  const next = listener(h.lab);
  const from = performance.now();
  assert.deepEqual(h.pods.move("a", next.fd), { kind: "done" });
  dial(h, at);
  dial(h, next.at);
  const last = listener(h.lab);
  assert.deepEqual(h.pods.move("a", last.fd), { kind: "done" });
  dial(h, next.at);
  h.lab.until(() => h.closed.includes(next.fd), "both former ones are closed", HANDOVER_MS + 1000);
  assert.ok(performance.now() - from >= HANDOVER_MS - 50, "handshakes have time to end");
  dial(h, last.at);
  assert.equal(h.pods.carried, 5, "nothing was cut");
  h.pods.forget("a", replied().reply);
  h.lab.until(() => h.closed.includes(last.fd), "it is closed");
});

test("a pod that is forgotten while it moves is accepted for nowhere any more", () => {
  using h = harness([]);
  const { at } = h.serve("a");
  const next = listener(h.lab);
  h.pods.move("a", next.fd);
  h.pods.forget("a", replied().reply);
  h.lab.until(() => h.closed.includes(next.fd), "the listeners are closed");
  for (const to of [at, next.at]) {
    const client = new Recorder();
    h.lab.dial(to, client);
    h.lab.until(() => client.cause !== undefined, "it is refused");
    assert.deepEqual(client.log, ["ECONNREFUSED"]);
  }
  assert.equal(h.connections.length, 0);
});

test("a pod that is not served does not move, and the listener that came for it is closed", () => {
  using h = harness(["a"]);
  const early = listener(h.lab);
  assert.throws(() => h.pods.move("a", early.fd), /pod a is not served/);
  assert.equal(isOpen(early.fd), false);
  const { at } = h.serve("a");
  dial(h, at);
  h.pods.forget("a", replied().reply);
  const late = listener(h.lab);
  assert.throws(() => h.pods.move("a", late.fd), /pod a is not served/);
  assert.equal(isOpen(late.fd), false);
  h.connections[0]?.release();
});

test("a pod that is served already is refused, and what came with it is closed", () => {
  using h = harness([]);
  h.serve("a");
  const [netnsFd, listenerFd] = [1, 2].map(() => openSync("/proc/self/ns/net", "r"));
  assert.ok(netnsFd !== undefined && listenerFd !== undefined);
  const localPorts = { first: 32_768, last: 60_999 };
  const init = { uid: "a", owner: 1, netnsFd, listenerFd, localPorts };
  const again = { ...init, netnsCookie: 0n, addresses: [] };
  assert.throws(() => h.pods.serve(again), /pod a is served already/);
  assert.deepEqual([netnsFd, listenerFd].map(isOpen), [false, false]);
  h.pods.forget("a", replied().reply);
});
