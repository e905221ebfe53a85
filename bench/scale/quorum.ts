/** Tells when enough agents have acknowledged a version, or a later one instead of it. */

/** Counts acknowledgements of members 0 to `members` - 1. */
export class Quorum {
  readonly #needed: number;
  readonly #acked: number[];
  /** Versions that are not settled yet, rising, each with how many members have it. */
  readonly #open: { readonly version: number; count: number }[] = [];

  constructor(members: number, share: number) {
    this.#needed = Math.ceil(members * share);
    this.#acked = Array.from({ length: members }, () => -1);
  }

  /** Counts for this version from now on; versions must be given in rising order. */
  await(version: number): void {
    const count = this.#acked.filter((acked) => acked >= version).length;
    this.#open.push({ version, count });
  }

  /** A member has this version; gives the versions that are settled by it. */
  acked(member: number, version: number): readonly number[] {
    const before = this.#acked[member] ?? -1;
    this.#acked[member] = version;
    for (const open of this.#open)
      if (open.version > before && open.version <= version) open.count += 1;
    // A member that has a version has all before it: the settled ones are the first of the list.
    const left = this.#open.findIndex(({ count }) => count < this.#needed);
    const settled = this.#open.splice(0, left < 0 ? this.#open.length : left);
    return settled.map((open) => open.version);
  }
}
