/**
 * Strict reading of parsed JSON with the path of what is wrong. The one exception used inside the model:
 * it never leaves codec.ts, which turns it into a value.
 */

/** Something in a message is not what it must be. */
export class Malformed extends Error {
  /** For example `upsertServices[3].ports[0].port`. */
  readonly field: string;

  constructor(field: string, problem: string) {
    super(problem);
    this.field = field;
  }
}

/** One value of a message and where it stands. */
export interface Place {
  readonly value: unknown;
  readonly path: string;
}

/** The field of an object; missing fields have the value undefined. */
export function field(place: Place, name: string): Place {
  const { value, path } = place;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Malformed(path, "must be an object");
  return { value: Reflect.get(value, name), path: path === "" ? name : `${path}.${name}` };
}

/** A list, each item read by `read`; at most `max` items. */
export function list<T>(place: Place, read: (item: Place) => T, max: number): readonly T[] {
  const { value, path } = place;
  if (!Array.isArray(value)) throw new Malformed(path, "must be a list");
  if (value.length > max) throw new Malformed(path, `has more than ${max} entries`);
  return value.map((item: unknown, i) => read({ value: item, path: `${path}[${i}]` }));
}

/** A text of at most `max` characters. */
export function text(place: Place, max: number): string {
  const { value, path } = place;
  if (typeof value !== "string") throw new Malformed(path, "must be a text");
  if (value.length > max) throw new Malformed(path, `is longer than ${max} characters`);
  return value;
}

/** A text that is not empty. */
export function name(place: Place): string {
  const value = text(place, 512);
  if (value === "") throw new Malformed(place.path, "must not be empty");
  return value;
}

/** A whole number within bounds, both included. */
export function integer(place: Place, min: number, max: number): number {
  const { value, path } = place;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max)
    throw new Malformed(path, `must be a whole number from ${min} to ${max}`);
  return value;
}

/** A share: a number from 0 to 1. */
export function share({ value, path }: Place): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1))
    throw new Malformed(path, "must be a number from 0 to 1");
  return value;
}

/** One of a closed list of texts. */
export function oneOf<T extends string>(place: Place, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === place.value);
  if (choice === undefined) throw new Malformed(place.path, `must be one of ${choices.join(", ")}`);
  return choice;
}

/** A text that `canonical` gives back unchanged. */
export function canonicalText(
  place: Place,
  canonical: (text: string) => string | undefined,
  what: string,
): string {
  const value = text(place, 64);
  if (canonical(value) !== value)
    throw new Malformed(place.path, `must be ${what} in canonical form`);
  return value;
}

/** What is read when the field is there; undefined when it is missing. */
export function optional<T>(place: Place, read: (place: Place) => T): T | undefined {
  return place.value === undefined ? undefined : read(place);
}
