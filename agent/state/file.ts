/**
 * The last good snapshot on disk, so that an agent that starts while control is down enforces what it
 * knew. A file that is not whole is refused with a message, never half used.
 */

import { createHash } from "node:crypto";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeDelta, encodePieces, FORMAT, MAX_MESSAGE_BYTES } from "#model/codec.ts";
import { EMPTY_SNAPSHOT, type Snapshot } from "#model/snapshot.ts";
import { applyDelta, fullDelta } from "#model/snapshot-delta.ts";

/** What a file gave. */
export type ReadSnapshot =
  | {
      readonly kind: "snapshot";
      readonly snapshot: Snapshot;
      /** An older agent was told this: control has more to say to this one, or says it in other words. Ask for everything. */
      readonly outdated?: true;
    }
  | { readonly kind: "none" }
  | { readonly kind: "unusable"; readonly problem: string };

/** Waits so many milliseconds, or until the signal aborts; never rejects. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

/** What keeping a file needs. */
export interface SnapshotFileOptions {
  readonly path: string;
  /** Told of each write that failed: the file before it is still there, and the next snapshot is tried again. */
  readonly onProblem: (problem: string) => void;
  /** Only for tests. */
  readonly pause?: Pause;
}

/** From a snapshot to its writing: its ack goes first, and what comes in a burst is one write. */
const DELAY_MS = 20;
/** From the end of a write to the next: a rolling update makes many snapshots, a restart needs one. */
const WRITE_INTERVAL_MS = 1000;
/**
 * Encoding takes at most this share of the main thread, each slice by itself; starting the writes adds a tenth of that.
 * A world of 10,000 pods is on disk within 1 to 3 s.
 */
const MAX_SHARE = 0.05;
/** A slice: encoded and hashed within 0.5 to 2 ms, and so few of them that their writes hardly count. */
const SLICE_CHARACTERS = 64 * 1024;
/** Characters of the header line: magic, format, checksum. */
const MAX_HEADER_BYTES = 128;
const MAGIC = "nodemesh-snapshot 1 sha256";
/** As long as a checksum, and none. */
const NO_CHECKSUM = "-".repeat(64);

/** Reads the file. Never throws. */
export async function readSnapshotFile(path: string): Promise<ReadSnapshot> {
  try {
    const { size } = await stat(path);
    if (size > MAX_MESSAGE_BYTES + MAX_HEADER_BYTES)
      return unusable(`${path} is too large to be a snapshot (${size} bytes)`);
    return parse(path, await readFile(path));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT")
      return { kind: "none" };
    return unusable(`${path} can't be read: ${String(cause)}`);
  }
}

/**
 * Keeps the file up with the newest snapshot without holding the main thread up: written in slices with pauses between
 * them, one snapshot at a time; those that come meanwhile wait as one, the newest.
 */
export class SnapshotFile implements AsyncDisposable {
  readonly #path: string;
  readonly #onProblem: (problem: string) => void;
  readonly #pause: (ms: number) => Promise<void>;
  /** Aborted at the end: no more pauses. */
  readonly #hurry = new AbortController();
  #newest: Snapshot | undefined;
  #running: Promise<void> | undefined;

  /** Touches no file yet. */
  constructor({ path, onProblem, pause = pauseUnref }: SnapshotFileOptions) {
    this.#path = path;
    this.#onProblem = onProblem;
    this.#pause = (ms) => pause(ms, this.#hurry.signal);
  }

  /** Asks for a snapshot to be kept. Returns at once; nothing of the work is done in this turn. */
  keep(snapshot: Snapshot): void {
    this.#newest = snapshot;
    this.#running ??= this.#run();
  }

  /** Writes what is still waiting without pauses: at most the write under way and one more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#hurry.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    await this.#pause(DELAY_MS);
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      await this.#write(next);
      await this.#pause(WRITE_INTERVAL_MS);
    }
    this.#running = undefined;
  }

  #take(): Snapshot | undefined {
    const snapshot = this.#newest;
    this.#newest = undefined;
    return snapshot;
  }

  /** Replaces the file atomically: a reader sees the old or the new one, also after a crash or a power cut. */
  async #write(snapshot: Snapshot): Promise<void> {
    const draft = `${this.#path}.draft`;
    try {
      await this.#writeDraft(draft, snapshot);
      await rename(draft, this.#path);
    } catch (cause) {
      // Half a draft would take room on a full disk. If it can't be removed, the cause is what matters.
      await rm(draft, { force: true }).catch(() => {});
      this.#onProblem(`${this.#path}: ${String(cause)}`);
    }
  }

  async #writeDraft(draft: string, snapshot: Snapshot): Promise<void> {
    // Pod addresses and names are nobody else's business.
    await using handle = await open(draft, "w", 0o600);
    // The checksum is known last: until then nobody can take the draft for a snapshot.
    await handle.writeFile(headerOf(NO_CHECKSUM));
    const hash = createHash("sha256");
    const pieces = encodePieces({ ...fullDelta(snapshot), told: FORMAT });
    for (let size = 0; ; ) {
      const from = performance.now();
      const slice = nextSlice(pieces);
      hash.update(slice);
      const tookMs = performance.now() - from;
      if (slice.length === 0) break;
      size += slice.length;
      if (size > MAX_MESSAGE_BYTES)
        throw new Error(
          `the snapshot is over ${MAX_MESSAGE_BYTES} bytes, more than could be read again`,
        );
      await handle.writeFile(slice);
      await this.#pause(tookMs * (1 / MAX_SHARE - 1));
    }
    const header = Buffer.from(headerOf(hash.digest("hex")));
    await handle.write(header, 0, header.length, 0);
    await handle.sync();
  }
}

/** A write under way keeps no process alive. */
async function pauseUnref(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects only when aborted: then the pause is over.
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
}

/** The next bytes to write; empty at the end. */
function nextSlice(pieces: Iterator<string, void>): Buffer {
  let text = "";
  while (text.length < SLICE_CHARACTERS) {
    const { done, value } = pieces.next();
    if (done === true) break;
    text += value;
  }
  return Buffer.from(text);
}

function parse(path: string, bytes: Uint8Array): ReadSnapshot {
  const end = bytes.subarray(0, MAX_HEADER_BYTES).indexOf(0x0a);
  const header = new TextDecoder().decode(bytes.subarray(0, Math.max(end, 0)));
  if (!header.startsWith(MAGIC)) return unusable(`${path} is not a snapshot of this format`);
  const body = bytes.subarray(end + 1);
  if (`${header}\n` !== headerOf(createHash("sha256").update(body).digest("hex")))
    return unusable(`${path} is damaged: its checksum does not match`);
  const decoded = decodeDelta(body);
  if (decoded.kind === "malformed") return unusable(`${path}: ${decoded.field} ${decoded.problem}`);
  const { delta, told = 1 } = decoded;
  const snapshot = applyDelta(EMPTY_SNAPSHOT, delta);
  if (snapshot === undefined) return unusable(`${path} holds only a part of a snapshot`);
  return { kind: "snapshot", snapshot, ...(told < FORMAT && { outdated: true }) };
}

function unusable(problem: string): ReadSnapshot {
  return { kind: "unusable", problem };
}

function headerOf(checksum: string): string {
  return `${MAGIC} ${checksum}\n`;
}
