/** Byte classes of RFC 9110 and the scans over them. Tables, because a load is cheaper than comparisons. */

/** Carriage return. */
export const CR = 13;
/** Line feed. */
export const LF = 10;
/** Space. */
export const SP = 32;
/** Horizontal tab. */
export const HT = 9;
/** `:` */
export const COLON = 58;
/** `,` */
export const COMMA = 44;
/** `/` */
export const SLASH = 47;

const DELIMITERS = '"(),/:;<=>?@[\\]{}';

/** 1 for the characters of a token (RFC 9110 section 5.6.2): methods and field names. */
export const TOKEN: Uint8Array = table((c) => c > 32 && c < 127 && !DELIMITERS.includes(chr(c)));

/** What some readers end a line at: NUL in C, and (all but NUL) `str.splitlines` of Python, which http.client once used. */
const LINE_BREAKS: readonly number[] = [0, 10, 11, 12, 13, 28, 29, 30];
/** What some readers split a request line at: `str.split` of Python, `isspace` in C. */
const WORD_BREAKS: readonly number[] = [0, 9, 10, 11, 12, 13, 28, 29, 30, 31, 32];

/**
 * 1 for what may stand in a field value: anything that no known reader takes for a line's end. Wider than RFC 9110
 * section 5.5, which lets a recipient retain other control characters.
 */
export const TEXT: Uint8Array = table((c) => !LINE_BREAKS.includes(c));

/** 1 for the bytes of a field name that is no token but leaves no doubt: visible ASCII (`X-User[id]`). */
export const NAME: Uint8Array = table((c) => c > 32 && c < 127 && c !== COLON);

/** 1 for what a target may hold: anything that no known reader takes for the end of a word. */
export const TARGET: Uint8Array = table((c) => !WORD_BREAKS.includes(c));

/** The same before the query or the fragment. */
export const PATH: Uint8Array = table((c) => TARGET[c] === 1 && !"#?".includes(chr(c)));

/** 1 for the characters of a host name: RFC 3986 reg-name without `,` (two merged Host fields) and `%`, and octets over 0x7f. */
export const HOST: Uint8Array = byteClass(/[0-9A-Za-z\-._~!$&'()*+;=\x80-\xff]/);

/** Maps A-Z to a-z and leaves other bytes alone. */
export const LOWER: Uint8Array = Uint8Array.from({ length: 256 }, (_, c) =>
  c >= 65 && c <= 90 ? c + 32 : c,
);

/** The bytes of an ASCII text. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** The first offset in `[from, end)` whose byte is not of `accepted`, or `end`. */
export function skip(accepted: Uint8Array, bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && accepted[bytes[at] as number] === 1) at++;
  return at;
}

/** `skip(TOKEN, …)`, twice as fast: the table is a constant to the compiler. */
export function skipToken(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && TOKEN[bytes[at] as number] === 1) at++;
  return at;
}

/** `skip(TEXT, …)`, likewise. */
export function skipText(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && TEXT[bytes[at] as number] === 1) at++;
  return at;
}

/** `skip(PATH, …)`, likewise. */
export function skipPath(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && PATH[bytes[at] as number] === 1) at++;
  return at;
}

/** `skip(TARGET, …)`, likewise. */
export function skipTarget(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && TARGET[bytes[at] as number] === 1) at++;
  return at;
}

/**
 * Whether the bytes at `at` are `word` (lower-case letters and dashes only), ignoring case. The caller knows that
 * the length fits and that no CR is there, which would pass for a dash by the `| 32`.
 */
export function sameWord(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++)
    if (((bytes[at + i] as number) | 32) !== word[i]) return false;
  return true;
}

/** Whether `[start, end)` is exactly `word` (any bytes, letters in lower case), ignoring case. */
export function isWord(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++)
    if (LOWER[bytes[start + i] as number] !== word[i]) return false;
  return true;
}

/** Copies `[start, end)` of `from` to `into` at `at` and returns the offset behind. */
export function copy(
  from: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
  at: number,
): number {
  // A short loop beats set(subarray()) up to about this length: no view is made.
  if (end - start > 64) into.set(from.subarray(start, end), at);
  else for (let i = start, o = at; i < end; i++, o++) into[o] = from[i] as number;
  return at + end - start;
}

/** A table with 1 for each byte that the pattern, which should have no flags, accepts as a character. */
export function byteClass(pattern: RegExp): Uint8Array {
  return table((code) => pattern.test(chr(code)));
}

function table(accepts: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, c) => (accepts(c) ? 1 : 0));
}

function chr(code: number): string {
  return String.fromCharCode(code);
}
