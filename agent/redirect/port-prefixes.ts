/** Ranges of ports as prefixes, because the kernel's trie matches prefixes only. */

import type { PortRange } from "#model/enrolment.ts";

/** The ports whose first `bits` bits (0 to 16) are those of `port`. */
export interface PortPrefix {
  readonly port: number;
  readonly bits: number;
}

/** The fewest prefixes that cover exactly the range: at most 30. */
export function portPrefixes(range: PortRange): PortPrefix[] {
  const prefixes: PortPrefix[] = [];
  let port = range.first;
  while (port <= range.last) {
    const size = largestBlock(port, range.last);
    prefixes.push({ port, bits: 16 - Math.log2(size) });
    port += size;
  }
  return prefixes;
}

/** The largest power of two of ports that starts at `port`, is aligned, and does not pass `last`. */
function largestBlock(port: number, last: number): number {
  let size = 1;
  while (port % (size * 2) === 0 && port + size * 2 - 1 <= last) size *= 2;
  return size;
}
