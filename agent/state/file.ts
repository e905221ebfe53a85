/**
 * The last good snapshot on disk, so that an agent that starts while control is down enforces what it
 * knew. A file that is not whole is refused with a message, never half used.
 */

import { createHash } from "node:crypto";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { decodeDelta, encodeDelta, MAX_MESSAGE_BYTES } from "#model/codec.ts";
import { EMPTY_SNAPSHOT, type Snapshot } from "#model/snapshot.ts";
import { applyDelta, fullDelta } from "#model/snapshot-delta.ts";

/** What a file gave. */
export type ReadSnapshot =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "none" }
  | { readonly kind: "unusable"; readonly problem: string };

/** At most one write in this time: a rolling update makes many snapshots, a restart needs one. */
const WRITE_INTERVAL_MS = 1000;
/** Characters of the header line: magic, format, checksum. */
const MAX_HEADER_BYTES = 128;
const MAGIC = "nodemesh-snapshot 1 sha256";

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

/** Writes the file atomically: a reader sees the old or the new one, also after a power cut. */
export async function writeSnapshotFile(path: string, snapshot: Snapshot): Promise<void> {
  const body = encodeDelta(fullDelta(snapshot));
  if (body.length > MAX_MESSAGE_BYTES)
    throw new Error(`snapshot of ${body.length} bytes is above the limit; it is not kept on disk`);
  const draft = `${path}.draft`;
  {
    // Pod addresses and names are nobody else's business.
    await using handle = await open(draft, "w", 0o600);
    await handle.writeFile(`${MAGIC} ${checksum(body)}\n`);
    await handle.writeFile(body);
    await handle.sync();
  }
  await rename(draft, path);
}

/** Keeps the file up with the newest snapshot, at most one write a second. */
export class SnapshotFile implements AsyncDisposable {
  readonly #path: string;
  readonly #onProblem: (problem: string) => void;
  #newest: Snapshot | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `onProblem` is told of failed writes; the next snapshot is tried again. */
  constructor(path: string, onProblem: (problem: string) => void) {
    this.#path = path;
    this.#onProblem = onProblem;
  }

  /** Asks for a snapshot to be kept: the first at once, further ones a second after the last write. */
  keep(snapshot: Snapshot): void {
    this.#newest = snapshot;
    if (this.#timer === undefined) this.#flush();
  }

  /** Resolves when no write is under way. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Writes what is still waiting and leaves no draft behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flush();
    clearTimeout(this.#timer);
    await this.#writing;
    await rm(`${this.#path}.draft`, { force: true });
  }

  #flush(): void {
    const snapshot = this.#newest;
    this.#newest = undefined;
    this.#timer = undefined;
    if (snapshot === undefined) return;
    this.#writing = this.#writing
      .then(() => writeSnapshotFile(this.#path, snapshot))
      .catch((cause: unknown) => this.#onProblem(`${this.#path}: ${String(cause)}`));
    this.#timer = setTimeout(() => this.#flush(), WRITE_INTERVAL_MS);
    this.#timer.unref();
  }
}

function parse(path: string, bytes: Uint8Array): ReadSnapshot {
  const end = bytes.subarray(0, MAX_HEADER_BYTES).indexOf(0x0a);
  const header = new TextDecoder().decode(bytes.subarray(0, Math.max(end, 0)));
  if (!header.startsWith(MAGIC)) return unusable(`${path} is not a snapshot of this format`);
  const body = bytes.subarray(end + 1);
  if (header !== `${MAGIC} ${checksum(body)}`)
    return unusable(`${path} is damaged: its checksum does not match`);
  const decoded = decodeDelta(body);
  if (decoded.kind === "malformed") return unusable(`${path}: ${decoded.field} ${decoded.problem}`);
  const snapshot = applyDelta(EMPTY_SNAPSHOT, decoded.delta);
  return snapshot === undefined
    ? unusable(`${path} holds only a part of a snapshot`)
    : { kind: "snapshot", snapshot };
}

function unusable(problem: string): ReadSnapshot {
  return { kind: "unusable", problem };
}

function checksum(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
