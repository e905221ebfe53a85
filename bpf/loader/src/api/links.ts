/** Hooks of a cgroup that `attachCgroup` knows come from the program itself: its section decides. */
export interface CgroupTarget {
  /** Descriptor of the cgroup directory, or its path. */
  readonly cgroup: number | string;
}

/** What must be true of a pinned link for it to be adopted. */
export interface PinnedLinkExpectation {
  /** Tag the attached program must have; another one throws `TagMismatch` and nothing is changed. */
  readonly tag?: string;
}
