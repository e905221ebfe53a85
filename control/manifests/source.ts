/** The manifests' source of changes: reads the files that the watch names and keeps the index. */

import { open } from "node:fs/promises";
import type { Condition } from "../k8s/api/condition.ts";
import type { Change } from "../world.ts";
import { ManifestIndex } from "./manifest-index.ts";
import { parseManifest } from "./parse.ts";
import { ManifestWatch } from "./watch.ts";

/** A larger file is a mistake: all of a big cluster's objects are some tens of megabytes. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** A file found empty that was not: perhaps truncated and about to be written. Look again after this. */
const EMPTY_AGAIN_MS = 100;
/** Files read at the same time: enough to hide latency, few enough for the descriptor limit. */
const READ_BATCH = 64;

/** Where to read and whom to tell. */
export interface ManifestSourceOptions {
  /** Directories (not recursive) or files. */
  readonly paths: readonly string[];
  /** Called with every batch of changes, and with none when only conditions changed. */
  readonly onChanges: (changes: readonly Change[]) => void;
  /** How often everything is listed again, in case a notification was lost. Default 30 s. */
  readonly rescanMs?: number;
}

type ReadResult =
  | { readonly kind: "text"; readonly file: string; readonly text: string }
  | { readonly kind: "gone"; readonly file: string }
  | { readonly kind: "unreadable"; readonly file: string; readonly problem: string };

/** A live set of manifests. `open` resolves when everything there was has been read and reported. */
export class ManifestSource implements AsyncDisposable {
  readonly #options: ManifestSourceOptions;
  readonly #index = new ManifestIndex();
  readonly #trouble = new Map<string, Condition>();
  /** Files found empty once: believed at the second look. */
  readonly #empty = new Set<string>();
  #watch: ManifestWatch | undefined;
  /** Reads go one batch after the other, so that an older content never overtakes a newer. */
  #queue: Promise<void> = Promise.resolve();

  private constructor(options: ManifestSourceOptions) {
    this.#options = options;
  }

  /** Throws the file system's error when a path does not exist. */
  static async open(options: ManifestSourceOptions): Promise<ManifestSource> {
    const source = new ManifestSource(options);
    const watch = await ManifestWatch.open({
      paths: options.paths,
      rescanMs: options.rescanMs ?? 30_000,
      onFiles: (files) => source.#enqueue(files),
      onTrouble: (directory, problem) => source.#note(directory, problem),
    });
    source.#watch = watch;
    await watch.rescan();
    await source.#queue;
    return source;
  }

  /** All there is to say about the files and their objects. */
  conditions(): readonly Condition[] {
    return [...this.#trouble.values(), ...this.#index.conditions()];
  }

  /** Stops watching and waits for reads under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch?.close();
    await this.#queue;
  }

  #enqueue(files: readonly string[]): void {
    this.#queue = this.#queue.then(() => this.#reload(files));
  }

  async #reload(files: readonly string[]): Promise<void> {
    const changes: Change[] = [];
    for (let i = 0; i < files.length; i += READ_BATCH) {
      const batch = files.slice(i, i + READ_BATCH);
      for (const read of await Promise.all(batch.map(readManifest)))
        changes.push(...this.#take(read));
    }
    this.#options.onChanges(changes);
  }

  #take(read: ReadResult): readonly Change[] {
    switch (read.kind) {
      case "gone":
        this.#empty.delete(read.file);
        return this.#index.remove(read.file);
      case "unreadable":
        this.#index.unreadable(read.file, read.problem);
        return [];
      case "text":
        if (this.#perhapsTruncated(read)) return [];
        return this.#index.update(read.file, parseManifest(read.text));
    }
  }

  #perhapsTruncated({ file, text }: { file: string; text: string }): boolean {
    const empty = text.trim() === "";
    if (!empty || this.#empty.has(file) || this.#index.sizeOf(file) === 0) {
      if (!empty) this.#empty.delete(file);
      return false;
    }
    this.#empty.add(file);
    this.#watch?.again(file, EMPTY_AGAIN_MS);
    return true;
  }

  #note(directory: string, problem: string | undefined): void {
    if (problem === undefined) this.#trouble.delete(directory);
    else
      this.#trouble.set(directory, {
        ref: { kind: "File", namespace: "", name: directory },
        reason: "unreadable-file",
        field: "",
        problem,
        nextStep: "make the directory readable again; until then what it said last is used",
      });
  }
}

async function readManifest(file: string): Promise<ReadResult> {
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    if (size > MAX_FILE_BYTES)
      return { kind: "unreadable", file, problem: `larger than ${MAX_FILE_BYTES} bytes` };
    return { kind: "text", file, text: await handle.readFile("utf8") };
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT")
      return { kind: "gone", file };
    return { kind: "unreadable", file, problem: String(cause) };
  }
}
