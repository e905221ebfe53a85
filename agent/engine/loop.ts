/**
 * A worker's loop: waits in epoll, lets timers fire and tasks work, closes descriptors, waits again.
 * Edge-triggered, so a registration is one system call for a connection's whole life.
 */

import { EAGAIN, EBADF, EFAULT, EINVAL_RESULT, errnoName } from "../kernel/errno.ts";
import { EPOLLET, EPOLLIN } from "../kernel/socket-constants.ts";
import { Looks } from "./looks.ts";
import { Budget, Owner, Scheduler, Task } from "./owner.ts";
import { ChunkPool } from "./send-queue.ts";
import type { EpollEvents, System } from "./system.ts";
import type { TimerHandler } from "./timers.ts";
import { Timer, TimerWheel } from "./timers.ts";

/** How a loop is made. */
export interface LoopOptions {
  readonly system: System;
  /** Bytes that may be held for all channels of this worker: queues, unfinished messages. Default 64 MiB. */
  readonly memoryLimitBytes?: number;
  /** The same for one owner. Default 16 MiB. */
  readonly ownerMemoryLimitBytes?: number;
}

/** Bytes asked of one read: haproxy's TCP mode reads 16 KiB, 64 KiB is where the cost per byte stops falling. */
export const READ_BYTES: number = 64 * 1024;

const MIB = 1024 * 1024;
const EVENTS_PER_WAIT = 1024;

/**
 * What epoll_wait can fail with, but for EINTR: errors of ours. Any other number is that of another call, made by the
 * thread in between: it had waited, and whoever had waited for it (V8, a signal) came before errno was read. Nothing was
 * taken out then, and the next wait tells it.
 */
const WAIT_ERRORS: ReadonlySet<number> = new Set([-EBADF, -EFAULT, EINVAL_RESULT]);

/**
 * The longest wait, in milliseconds. A thread inside epoll_wait can't be ended by Node: without this, a
 * process.exit() or terminate() in main that forgot wakeLoop() would hang for ever (seen). Costs one system
 * call a second when idle.
 */
const MAX_WAIT_MS = 1000;

/** Milliseconds before a call that failed for want of kernel memory is tried again. */
const SCARCITY_PAUSE_MS = 20;

/** Something with bytes to send at the end of a turn. */
interface Deferred {
  /** Sends them, unless that has happened meanwhile. Tells nobody. */
  sendDeferred(): void;
}

/** One worker's event loop and what its channels share. */
export class Loop implements TimerHandler {
  readonly system: System;
  readonly chunks: ChunkPool = new ChunkPool();
  /** What clients make this worker hold. */
  readonly budget: Budget;
  readonly looks: Looks;
  /** The one buffer that all channels of this worker read into. */
  readonly readBuffer: Uint8Array = new Uint8Array(READ_BYTES);
  /** Called after wakeLoop() from any thread, maybe once for several wakes. */
  onWake: () => void = () => undefined;
  /** Called at the end of every turn: what was lent for writeSoon() may be used anew. Must not throw. */
  onTurnEnd: () => void = () => undefined;
  /** Gets what a handler threw; its channel was reset. Must not throw, unless the worker shall die of it. */
  onBug: (error: unknown) => void = (error) => {
    throw error;
  };
  /** Write to it (wakeLoop) to have onWake called: an eventfd, valid in all threads of the process. */
  readonly wakeFd: number;
  #now: number;
  #stopped = false;
  readonly #wheel: TimerWheel;
  readonly #scheduler: Scheduler = new Scheduler();
  readonly #epollFd: number;
  readonly #events: EpollEvents;
  readonly #owners: Map<number, Owner> = new Map();
  readonly #ownerLimitBytes: number;
  readonly #tasks: (Task | undefined)[] = [];
  readonly #generations: number[] = [];
  // Emptied by pop(): to set a length to 0 costs a call into V8 and the array's memory.
  readonly #closing: number[] = [];
  readonly #deferred: Deferred[] = [];
  readonly #starved: Task[] = [];
  readonly #scarcityTimer: Timer = new Timer(this);

  /** Throws when the kernel gives no epoll instance or eventfd. */
  constructor(options: LoopOptions) {
    this.system = options.system;
    this.budget = new Budget(options.memoryLimitBytes ?? 64 * MIB);
    this.looks = new Looks(options.system);
    this.#ownerLimitBytes = options.ownerMemoryLimitBytes ?? 16 * MIB;
    this.#now = performance.now();
    this.#wheel = new TimerWheel(this.#now);
    this.#events = this.system.epollEvents(EVENTS_PER_WAIT);
    this.#epollFd = must("epoll_create1", this.system.epollCreate());
    this.wakeFd = this.system.eventfd();
    const waker = new Waker(this, this.owner(-1));
    const added = this.wakeFd < 0 ? this.wakeFd : this.watch(waker, this.wakeFd, EPOLLIN | EPOLLET);
    if (added >= 0) return;
    this.dispose();
    must("eventfd", added);
  }

  /** Milliseconds of a monotonic clock, taken once per turn. Only differences mean something. */
  get now(): number {
    return this.#now;
  }

  /** How many timers are armed. */
  get armedTimers(): number {
    return this.#wheel.armedCount;
  }

  /** Microseconds of the same clock, taken now (50 ns): for latencies. */
  micros(): number {
    return performance.now() * 1000;
  }

  /** The owner of that number: 0 or more for pods; negative numbers are the agent's own. */
  owner(id: number): Owner {
    let owner = this.#owners.get(id);
    if (owner === undefined) {
      owner = new Owner(id, this.#ownerLimitBytes, this.budget);
      this.#owners.set(id, owner);
    }
    return owner;
  }

  /** Forgets a pod that is gone; its remaining channels keep their Owner until they end. */
  forgetOwner(id: number): void {
    this.#owners.delete(id);
  }

  /** Every owner known, for metrics and the admin socket. */
  owners(): Iterable<Owner> {
    return this.#owners.values();
  }

  /** Fires the timer once in `delayMs`; arming again moves it. See TimerWheel.arm. */
  arm(timer: Timer, delayMs: number): void {
    this.#wheel.arm(timer, this.#now, delayMs);
  }

  /** Disarms the timer; nothing when it was not armed, or never made. */
  cancel(timer: Timer | undefined): void {
    this.#wheel.cancel(timer);
  }

  /** Turns until stop(). */
  run(): void {
    this.#stopped = false;
    while (!this.#stopped) this.turn(-1);
  }

  /** Makes run() return at the end of this turn. From another thread: wakeLoop(), then stop() in onWake. */
  stop(): void {
    this.#stopped = true;
  }

  /** One turn: waits at most `timeoutMs` (-1: as long as is sensible), then does what is due. */
  turn(timeoutMs: number): void {
    this.#poll(this.#waitMs(timeoutMs));
    this.#wheel.advance(this.#now);
    this.#scheduler.run(this.onBug);
    if (this.#deferred.length > 0) this.#sendDeferred();
    this.onTurnEnd();
    if (this.#closing.length > 0) this.#closeDescriptors();
  }

  /** Ends the loop's own descriptors. Channels and listeners must be closed before. */
  dispose(): void {
    this.#closeDescriptors();
    if (this.wakeFd >= 0) this.system.close(this.wakeFd);
    this.system.close(this.#epollFd);
  }

  /** For the engine's own tasks: `task.onReady` is called for events of `fd`. Returns 0 or the negative errno. */
  watch(task: Task, fd: number, flags: number): number {
    const generation = this.#generations[fd] ?? 0;
    this.#generations[fd] = generation;
    const added = this.system.epollAdd(this.#epollFd, fd, flags, generation);
    if (added >= 0) this.#tasks[fd] = task;
    return added;
  }

  /** For the engine's own tasks: no more events for `fd`, which is closed at the end of this turn. */
  release(fd: number): void {
    this.#tasks[fd] = undefined;
    // Events of this turn that are already in the array must not reach the next user of the number.
    this.#generations[fd] = ((this.#generations[fd] ?? 0) + 1) | 0;
    this.#closing.push(fd);
  }

  /** For the engine's own tasks: a turn of work soon. */
  schedule(task: Task): void {
    this.#scheduler.schedule(task);
  }

  /** For the engine's own tasks: `task.sendDeferred` is called at the end of the turn. */
  defer(task: Deferred): void {
    this.#deferred.push(task);
  }

  /** For the engine's own tasks: `onReady(0)` and a turn after a pause, since kernel memory was scarce. */
  scheduleAfterScarcity(task: Task): void {
    this.#starved.push(task);
    if (!this.#scarcityTimer.armed) this.arm(this.#scarcityTimer, SCARCITY_PAUSE_MS);
  }

  /** Of the scarcity timer. */
  onTimer(): void {
    for (const task of this.#starved.splice(0)) this.#scheduler.schedule(task);
  }

  #waitMs(timeoutMs: number): number {
    if (!this.#scheduler.idle || timeoutMs === 0) return 0;
    const longest = timeoutMs < 0 ? MAX_WAIT_MS : Math.min(timeoutMs, MAX_WAIT_MS);
    const timer = this.#wheel.nextDelay(performance.now());
    return timer < 0 ? longest : Math.min(timer, longest);
  }

  #poll(timeoutMs: number): void {
    const events = this.#events;
    const n = this.system.epollWait(this.#epollFd, events, timeoutMs);
    this.#now = performance.now();
    if (WAIT_ERRORS.has(n)) must("epoll_wait", n);
    const words = events.words;
    for (let i = 0; i < n; i++) {
      const at = i * events.stride;
      const fd = words[at + events.dataAt] as number;
      const task = this.#tasks[fd];
      if (task === undefined || this.#generations[fd] !== words[at + events.dataAt + 1]) continue;
      task.onReady(words[at] as number);
      this.#scheduler.schedule(task);
    }
  }

  #sendDeferred(): void {
    const deferred = this.#deferred;
    for (let task = deferred.pop(); task !== undefined; task = deferred.pop()) task.sendDeferred();
  }

  #closeDescriptors(): void {
    const closing = this.#closing;
    for (let fd = closing.pop(); fd !== undefined; fd = closing.pop()) this.system.close(fd);
  }
}

/**
 * Makes the loop that owns `wakeFd` call its onWake; from any thread, with that thread's own System.
 * Returns 0 or the negative errno; EAGAIN (2^64 wakes pending) counts as done.
 */
export function wakeLoop(system: System, wakeFd: number): number {
  const n = system.eventfdWrite(wakeFd);
  return n > 0 || n === -EAGAIN ? 0 : n;
}

/** The eventfd's task: empties it, then calls onWake. */
class Waker extends Task {
  readonly #loop: Loop;

  constructor(loop: Loop, owner: Owner) {
    super(owner);
    this.#loop = loop;
  }

  onReady(): void {
    // Nothing to note: there is one kind of event.
  }

  work(): number {
    // EAGAIN is fine too: somebody else's read cannot be, so the wake was already handled.
    this.#loop.system.eventfdRead(this.#loop.wakeFd);
    this.#loop.onWake();
    return 1;
  }

  abandon(): void {
    // The waker outlives a bug in onWake.
  }
}

function must(call: string, result: number): number {
  if (result < 0) throw new Error(`${call} failed: ${errnoName(result)}`);
  return result;
}
