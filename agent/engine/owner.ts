/**
 * Who a channel works for: one pod, as far as the engine knows a number. Turns are taken round-robin over
 * owners, so that one pod's flood costs the others at most a few quanta; memory and connections are counted
 * per owner.
 */

/** What clients make a worker hold, all owners together: bytes. */
export class Budget {
  /** What `heldBytes` may reach. */
  readonly limitBytes: number;
  heldBytes: number = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }
}

/** Something with work to do when its turn comes: a channel, a listener. */
export abstract class Task {
  readonly owner: Owner;
  /** Scheduler's own: the next task in the owner's queue. */
  nextTask: Task | undefined = undefined;
  /** Scheduler's own: whether it waits in the owner's queue. */
  scheduled: boolean = false;

  constructor(owner: Owner) {
    this.owner = owner;
  }

  /** Notes epoll flags; the loop then schedules the task. */
  abstract onReady(flags: number): void;
  /** Does a bounded piece of work and returns its cost: 1, plus 1 for every 16 KiB moved. Schedules itself for more. */
  abstract work(): number;
  /** After work() threw: get out of the way for good. */
  abstract abandon(): void;
}

/** One owner's queue and counts. Get it from Loop.owner(). */
export class Owner {
  /** The number that Loop.owner() was asked for. */
  readonly id: number;
  /** Bytes held for its channels: queues for slow readers, in whole chunks, and what Channel.hold() counted. */
  heldBytes: number = 0;
  /** What heldBytes may reach; channels going beyond end with cause `memory-limit`. */
  readonly limitBytes: number;
  readonly #budget: Budget;
  /** Open channels (listeners not counted). */
  channels: number = 0;
  /** Scheduler's own: queue of tasks, and whether the owner is in the ring. */
  head: Task | undefined = undefined;
  tail: Task | undefined = undefined;
  inRing: boolean = false;
  /** Scheduler's own: whose turn comes behind this one's. */
  nextOwner: Owner | undefined = undefined;

  /** `budget`: of its worker. */
  constructor(id: number, limitBytes: number, budget: Budget) {
    this.id = id;
    this.limitBytes = limitBytes;
    this.#budget = budget;
  }

  /** Counts bytes that are held from now on; false, and nothing is counted, when a limit forbids it. */
  hold(bytes: number): boolean {
    if (this.heldBytes + bytes > this.limitBytes) return false;
    if (this.#budget.heldBytes + bytes > this.#budget.limitBytes) return false;
    this.heldBytes += bytes;
    this.#budget.heldBytes += bytes;
    return true;
  }

  /** They are held no more. */
  release(bytes: number): void {
    this.heldBytes -= bytes;
    this.#budget.heldBytes -= bytes;
  }
}

/** Cost units one owner may use before the next owner's turn: about 0.3 ms. */
const OWNER_QUANTUM = 32;

/** Cost units between two looks at epoll: about 1 ms. */
const TURN_QUANTUM = 128;

/** Round-robin over owners, first-in first-out within one. Both are linked lists: a turn allocates nothing. */
export class Scheduler {
  /** Whose turn is next, and whose last. */
  #first: Owner | undefined = undefined;
  #last: Owner | undefined = undefined;

  /** Whether nothing waits. */
  get idle(): boolean {
    return this.#first === undefined;
  }

  /** Gives the task a turn; nothing when it already waits for one. */
  schedule(task: Task): void {
    if (task.scheduled) return;
    task.scheduled = true;
    const owner = task.owner;
    if (owner.tail === undefined) owner.head = task;
    else owner.tail.nextTask = task;
    owner.tail = task;
    if (owner.inRing) return;
    owner.inRing = true;
    this.#line(owner);
  }

  /** Lets tasks work until the turn's quantum is used up or nothing waits. `onBug` gets what a task throws. */
  run(onBug: (error: unknown) => void): void {
    let left = TURN_QUANTUM;
    while (left > 0) {
      const owner = this.#takeOwner();
      if (owner === undefined) return;
      try {
        left -= this.#runOwner(owner, onBug);
      } finally {
        // Also when onBug threw: what still waits must get its turn once the loop goes on.
        if (owner.head === undefined) owner.inRing = false;
        else this.#line(owner);
      }
    }
  }

  /** Puts an owner behind all that wait. */
  #line(owner: Owner): void {
    if (this.#last === undefined) this.#first = owner;
    else this.#last.nextOwner = owner;
    this.#last = owner;
  }

  #takeOwner(): Owner | undefined {
    const owner = this.#first;
    if (owner === undefined) return undefined;
    this.#first = owner.nextOwner;
    if (this.#first === undefined) this.#last = undefined;
    owner.nextOwner = undefined;
    return owner;
  }

  #runOwner(owner: Owner, onBug: (error: unknown) => void): number {
    let used = 0;
    for (let task = owner.head; task !== undefined && used < OWNER_QUANTUM; task = owner.head) {
      owner.head = task.nextTask;
      if (owner.head === undefined) owner.tail = undefined;
      task.nextTask = undefined;
      task.scheduled = false;
      try {
        used += task.work();
      } catch (error) {
        used++;
        task.abandon();
        onBug(error);
      }
    }
    return used;
  }
}
