/**
 * One pod's way into the mesh and out of it: compares what is wanted with what is, and takes one step at a
 * time until both agree. Steps of one pod never overlap.
 */

import { isDeepStrictEqual } from "node:util";
import { POD_CATCH } from "../kernel/layout.gen.ts";
import type { ListeningTables } from "../kernel/mesh-maps.ts";
import type { EnrolledWorkload, PodContents } from "./contents.ts";
import {
  isClosed,
  leavingContents,
  NO_FACTS,
  podContents,
  releasedContents,
  sandboxOf,
} from "./contents.ts";
import type { EntryKernel } from "./entry.ts";
import { PodEntry } from "./entry.ts";
import { beginListening, endListening } from "./listening.ts";
import type { AbsentReason, Located, PodLocator } from "./locator.ts";
import type { Place, Places, Site } from "./place.ts";
import type { PodUsers } from "./pod-users.ts";
import { PodWatch } from "./pod-watch.ts";
import { sameContents, writeChange } from "./writer.ts";

/** What a pod needs of the kernel's side. */
export interface PodKernel extends EntryKernel {
  readonly maps: EntryKernel["maps"] & ListeningTables;
}

/** Everything around a pod. */
export interface PodContext {
  readonly locator: PodLocator;
  readonly places: Places;
  readonly kernel: PodKernel;
  readonly users: PodUsers;
  /** The namespaces an earlier agent was attached to, with what the maps say of each; taken out when found. */
  readonly adopted: Map<bigint, PodContents | undefined>;
}

/** Where a pod stands. */
export type PodState =
  /** Nothing of it is caught, and nothing of ours is in its namespace. */
  | { readonly kind: "out"; readonly why: "not-enrolled" | AbsentReason }
  /** Something went wrong while it was set up; tried again soon. */
  | { readonly kind: "failed"; readonly detail: string; readonly isRefused: boolean }
  /** New connections are caught. */
  | { readonly kind: "caught"; readonly place: Place; readonly contents: PodContents }
  /** New connections go direct; relayed ones go on until the last has ended. */
  | {
      readonly kind: "leaving";
      readonly place: Place;
      readonly contents: PodContents;
      readonly waiting: AbortController;
      idle: boolean;
    };

/**
 * A pod whose connections take longer than this to be cut keeps nobody else waiting: it follows by itself. Cutting takes no
 * time; what takes longer is a worker's trouble, and bounded there.
 */
const LONG_END_MS = 250;

/** How long after a failure the set-up is tried again; twice as long after each, up to the last. */
const FIRST_RETRY_MS = 25;
const LAST_RETRY_MS = 1000;

/** See the file's head. */
export class PodRedirect {
  readonly uid: string;
  readonly #context: PodContext;
  #wanted: EnrolledWorkload | undefined;
  #sandbox: string;
  #failures = 0;
  /** The one next try of a pod that failed. */
  #retry: NodeJS.Timeout | undefined;
  #state: PodState = { kind: "out", why: "not-enrolled" };
  #running: Promise<void> | undefined;
  /** Resolves with the end of the run, or earlier when that takes long. */
  #settled: PromiseWithResolvers<void> = Promise.withResolvers();
  #again = false;
  #expelled = false;
  #closed = false;
  #released = false;
  #watch: PodWatch | undefined;
  #isPortWanted = false;
  readonly #entry: PodEntry;

  constructor(uid: string, context: PodContext) {
    this.uid = uid;
    this.#sandbox = uid;
    this.#context = context;
    this.#entry = new PodEntry(context.kernel, context.adopted);
  }

  /** The uid by which the locator finds it. */
  get sandbox(): string {
    return this.#sandbox;
  }

  get state(): PodState {
    return this.#state;
  }

  /** Sets what is wanted (undefined: not in the mesh) and resolves when that is so, or can't be for now. */
  async want(workload: EnrolledWorkload | undefined): Promise<void> {
    // Every snapshot names every pod: what failed would be tried as often as something changes somewhere.
    if (this.#retry !== undefined && isDeepStrictEqual(workload, this.#wanted)) return;
    this.#wanted = workload;
    if (workload !== undefined) this.#sandbox = sandboxOf(workload);
    return this.settle();
  }

  /** What of a caught pod could not be done, in words; empty when all was. */
  get remark(): string {
    const state = this.#state;
    return state.kind === "caught" ? (this.#watch?.remark(state.place) ?? "") : "";
  }

  /** Whether its connections are to be refused while no agent serves it: isClosed(). */
  get mustRefuse(): boolean {
    return this.#wanted !== undefined && isClosed(this.#wanted.enrolment);
  }

  /** Takes the pod out at once, cutting what is still relayed. Resolves when nothing of it is left. */
  async expel(): Promise<void> {
    this.#expelled = true;
    this.#wanted = undefined;
    void this.settle();
    await this.#running;
  }

  /**
   * From now on no new connection comes to this agent: the kernel does what `mesh/fail` says, at once. What
   * was accepted goes on. For an agent that is about to end.
   */
  release(): void {
    this.#released = true;
    const state = this.#state;
    if (state.kind === "caught") this.#write(state.contents);
  }

  /** Takes note of what changed in the pod's namespace. `nowMs` is of any one clock. */
  review(nowMs: number): void {
    const state = this.#state;
    if (state.kind !== "caught" || this.#watch === undefined) return;
    this.#watch.reviewListeners(state.place, nowMs);
    const place = this.#watch.changed(state.place);
    if (place !== undefined) this.#state = { ...state, place };
    this.#isPortWanted ||= this.#watch.isPortWanted(state.place);
    if (place !== undefined || this.#isPortWanted) void this.settle();
  }

  /** Something may have changed outside: looks again. Resolves when all is done, or when connections take long to end. */
  settle(): Promise<void> {
    this.#again = true;
    if (this.#running === undefined) {
      this.#settled = Promise.withResolvers();
      this.#running = this.#run();
    }
    return this.#settled.promise;
  }

  /** Lets go of every descriptor, leaving the kernel as it is: for an agent that ends. */
  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    const state = this.#state;
    if (state.kind === "leaving") state.waiting.abort();
    if (state.kind === "caught" || state.kind === "leaving")
      this.#context.places.close(state.place);
    this.#state = { kind: "out", why: "not-enrolled" };
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      this.#cancelRetry();
      try {
        await this.#step();
      } catch (error) {
        await this.#fail(error);
      }
    }
    this.#running = undefined;
    this.#settled.resolve();
  }

  async #step(): Promise<void> {
    const state = this.#state;
    if (state.kind === "out" || state.kind === "failed") return this.#enter();
    const located = this.#context.locator.locate(this.#sandbox);
    if (!isAmong(state.place, located)) return this.#remove(state.place, { undo: false });
    if (this.#isPortWanted && state.kind === "caught") {
      this.#isPortWanted = false;
      this.#again = true;
      return this.#moveListeners(state);
    }
    if (this.#wanted) return this.#catch(state, this.#wanted);
    if (state.kind === "caught") return this.#leave(state);
    if (state.idle || this.#expelled) return this.#remove(state.place, { undo: true });
  }

  async #enter(): Promise<void> {
    const { locator, places, kernel, users } = this.#context;
    const wanted = this.#wanted;
    if (wanted === undefined || this.#released) {
      locator.forget(this.#sandbox);
      if (wanted === undefined) this.#entry.end();
      this.#state = { kind: "out", why: "not-enrolled" };
      return;
    }
    const located = locator.locate(this.#sandbox);
    if (located.kind === "absent") {
      if (located.reason === "no-such-pod") this.#entry.end();
      this.#state = { kind: "out", why: located.reason };
      return;
    }
    let before: number | undefined;
    const place = places.open(located, wanted.addresses, (site) => {
      const contents = podContents(withAddresses(wanted, site), site.cookie);
      before = this.#entry.begin(site.netns, contents);
    });
    const { cookie, netns, listeners, addresses } = place;
    const watch = new PodWatch(places, kernel.maps);
    this.#watch = watch;
    const entered = this.#entry.take() ?? podContents(withAddresses(wanted, place), cookie);
    const settings = before ?? place.settings;
    this.#state = { kind: "caught", place, contents: entered };
    // What the namespace had must be known before it is changed.
    this.#write({ ...entered, pod: { ...entered.pod, settings } });
    beginListening(kernel.maps, cookie);
    watch.begin(place);
    places.turn(place);
    await users.added({ uid: this.uid, netns, addresses, listeners });
    if (this.#closed) return;
    this.#failures = 0;
    const [first] = listeners;
    if (first !== undefined && !this.#released) kernel.maps.listeners.set(cookie, first);
    this.#write(this.#contents(wanted, place, settings));
  }

  /** Already in: the pod's wishes may have changed, or it comes back while it was leaving. */
  async #catch(
    state: PodState & { kind: "caught" | "leaving" },
    wanted: EnrolledWorkload,
  ): Promise<void> {
    const { place } = state;
    // What the namespace said at first is not what the API says now: set up anew.
    const known = [...place.addresses, ...place.missing];
    if (wanted.addresses.some((address) => !known.includes(address)))
      return this.#remove(place, { undo: true });
    if (state.kind === "leaving") state.waiting.abort();
    const contents = this.#contents(wanted, place, state.contents.pod.settings);
    this.#state = { kind: "caught", place: state.place, contents: state.contents };
    if (!sameContents(state.contents, contents)) this.#write(contents);
  }

  #contents(wanted: EnrolledWorkload, place: Place, settings: number): PodContents {
    const { listenerPort } = place;
    const facts = { ...NO_FACTS, ...this.#watch?.reach, settings, listenerPort };
    return podContents(withAddresses(wanted, place), place.cookie, facts);
  }

  /** An application wants the port of the listeners: they move, and what came to the former ones goes on. */
  async #moveListeners(state: PodState & { kind: "caught" }): Promise<void> {
    const { kernel, places, users } = this.#context;
    const place = this.#moved(state.place);
    if (place === undefined) return;
    this.#state = { ...state, place };
    try {
      await users.moved({ uid: this.uid, listeners: place.listeners });
      const [first] = place.listeners;
      if (first !== undefined && !this.#released && !this.#closed)
        kernel.maps.listeners.set(place.cookie, first);
    } finally {
      places.leave(state.place);
    }
  }

  /** Without another port all stays as it is. */
  #moved(place: Place): Place | undefined {
    try {
      return this.#context.places.move(place);
    } catch {
      return undefined;
    }
  }

  #leave(state: PodState & { kind: "caught" }): void {
    const { place } = state;
    const contents = leavingContents(state.contents);
    this.#write(contents);
    const waiting = new AbortController();
    const leaving: PodState = { kind: "leaving", place, contents, waiting, idle: false };
    this.#state = leaving;
    if (this.#expelled) this.#again = true;
    const ended = (): void => {
      if (waiting.signal.aborted) return;
      leaving.idle = true;
      void this.settle();
    };
    // A users' failure must not keep the namespace for ever: its connections are cut by removed().
    this.#context.users.idle(this.uid, waiting.signal).then(ended, ended);
  }

  /** The end of it. Without `undo` the namespace is gone or going, and everything in it with it. */
  async #remove(place: Place, { undo }: { readonly undo: boolean }): Promise<void> {
    const { places, kernel } = this.#context;
    const state = this.#state;
    if (state.kind === "leaving") state.waiting.abort();
    await this.#cut();
    if (this.#closed) return;
    kernel.maps.listeners.delete(place.cookie);
    const settings = "contents" in state ? state.contents.pod.settings : 0;
    if (undo) places.undo(everything(place), settings);
    places.close(place);
    if ("contents" in state) writeChange(kernel.maps, { from: state.contents, to: undefined });
    endListening(kernel.maps, place.cookie);
    kernel.detachPod(place.cookie);
    this.#state = { kind: "out", why: "not-enrolled" };
    // It may be wanted again, or be back under the same uid.
    this.#again = true;
  }

  /** Who waits for the pod waits no longer when this takes long. */
  async #cut(): Promise<void> {
    const long = setTimeout(() => this.#settled.resolve(), LONG_END_MS).unref();
    await this.#context.users.removed(this.uid).finally(() => clearTimeout(long));
  }

  #write(contents: PodContents): void {
    const state = this.#state;
    if (state.kind !== "caught") return;
    const { maps } = this.#context.kernel;
    const { place } = state;
    const due = this.#released ? releasedContents(contents) : contents;
    writeChange(maps, { from: state.contents, to: due });
    // Caught with nobody listening is refused.
    if (this.#released && due.pod.flags & POD_CATCH) maps.listeners.delete(place.cookie);
    this.#state = { kind: "caught", place, contents: due };
  }

  /** Undoes what it can, so that the pod is as without a mesh or refused, as it asks for, and tries again later. */
  async #fail(error: unknown): Promise<void> {
    const detail = error instanceof Error ? error.message : String(error);
    const state = this.#state;
    if ("place" in state) await this.#abandon(state.place, state.contents);
    else await tryAll([() => this.#entry.fail(undefined, this.mustRefuse)]);
    if (this.#closed) return;
    this.#state = { kind: "failed", detail, isRefused: this.mustRefuse };
    // It may be in another namespace by now.
    this.#context.locator.forget(this.#sandbox);
    const delay = Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, LAST_RETRY_MS);
    this.#retry = setTimeout(() => void this.settle(), delay).unref();
  }

  #cancelRetry(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  async #abandon(place: Place, contents: PodContents): Promise<void> {
    const { places, kernel } = this.#context;
    await tryAll([
      () => this.#entry.fail(contents, this.mustRefuse),
      () => this.#cut(),
      () => kernel.maps.listeners.delete(place.cookie),
      () => places.undo(everything(place), contents.pod.settings),
      () => places.close(place),
      () => endListening(kernel.maps, place.cookie),
    ]);
  }
}

/** After a failure: the first error is the one that is told, and the namespace may simply be gone. */
async function tryAll(steps: readonly (() => unknown)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch {
      // The others all the more.
    }
  }
}

function isAmong({ inode }: Place, located: Located): boolean {
  return located.kind === "found" && located.namespaces.some((each) => each.inode === inode);
}

/** Also the addresses that it had once, and whose rules are still there. */
function everything({ netns, addresses, missing }: Place): Pick<Place, "netns" | "addresses"> {
  return { netns, addresses: [...addresses, ...missing] };
}

/** Before the API knows a pod's addresses, those of its namespace count. */
function withAddresses(wanted: EnrolledWorkload, place: Site): EnrolledWorkload {
  return wanted.addresses.length > 0 ? wanted : { ...wanted, addresses: place.addresses };
}
