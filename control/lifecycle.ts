/** When control counts as ready: nothing that was named is awaited any more. */

/** Named things that must happen first; `/ready` and the log say which. */
export class Readiness {
  readonly #awaited = new Set<string>();

  /** Starts to await `name`; the returned function says that it happened. */
  await(name: string): () => void {
    this.#awaited.add(name);
    return () => this.#awaited.delete(name);
  }

  /** What is awaited, oldest first. Empty = ready. */
  awaited(): readonly string[] {
    return [...this.#awaited];
  }
}
