/**
 * The `mesh/…` annotations of product.md, read from pods, namespaces and Services. A label of the same
 * name counts too (some tools can only set labels); an annotation beats a label, a pod beats its namespace.
 * A malformed value is a problem and counts as not said: the next source, and in the end the default, applies.
 */

import { canonicalCidr, parsePortRange } from "./address.ts";
import { parseBalance } from "./balance.ts";
import { DEFAULT_ENROLMENT, type Enrolment, type PortRange } from "./enrolment.ts";
import type { Service } from "./service.ts";

/** The two places of an object that are read. */
export interface Words {
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** One value that could not be used, said so that its owner can mend it. */
export interface WordProblem {
  /** For example `metadata.annotations["mesh/fail"]`. */
  readonly field: string;
  readonly problem: string;
  readonly nextStep: string;
}

/** What one object says about enrolment: only the fields that it sets validly. */
export type EnrolmentWords = { readonly enabled?: boolean } & Partial<Enrolment>;

/** What a Service says about the ways to it: only the fields that it sets validly. */
export type ServiceWords = Partial<Pick<Service, "balance" | "connections">>;

/** What was read, and what could not be. */
export interface Reading<T> {
  readonly value: T;
  readonly problems: readonly WordProblem[];
}

/** How one annotation's text becomes a value; undefined = malformed. */
interface Word<T> {
  readonly expects: string;
  readonly parse: (text: string) => T | undefined;
}

/** The annotations that mean something on one sort of object. */
type Vocabulary<T> = ReadonlyMap<string, Word<T>>;

/** Entries of one list: more than this in an annotation is refused, as kernel maps are bounded. */
const MAX_LIST = 64;

const SHARE = "true, false or a share of them from 0 to 1, for example 0.05";

const PORTS = "a comma list of ports or ranges, for example 25,8000-8100";
const CIDRS = "a comma list of CIDR blocks, for example 10.0.0.0/8,fd00::/8";

const POD_WORDS: Vocabulary<EnrolmentWords> = new Map<string, Word<EnrolmentWords>>([
  ["mesh/enabled", { expects: 'the text "true" or "false"', parse: parseEnabled }],
  ["mesh/mtls", { expects: "permissive or strict", parse: parseMtls }],
  ["mesh/fail", { expects: "open or closed", parse: parseFail }],
  ["mesh/exclude-outbound-ports", ports((list) => ({ excludeOutboundPorts: list }))],
  ["mesh/exclude-inbound-ports", ports((list) => ({ excludeInboundPorts: list }))],
  ["mesh/opaque-ports", ports((list) => ({ opaquePorts: list }))],
  ["mesh/exclude-outbound-cidrs", cidrs((list) => ({ excludeOutboundCidrs: list }))],
  ["mesh/include-outbound-cidrs", cidrs((list) => ({ includeOutboundCidrs: list }))],
  ["mesh/access-log", { expects: SHARE, parse: parseAccessLog }],
  ["mesh/trace", { expects: SHARE, parse: parseTrace }],
]);

const BALANCES =
  "least-request, round-robin, random, ewma, consistent-hash:source-ip, consistent-hash:header=NAME or consistent-hash:cookie=NAME (NAME: a token of at most 256 characters)";

const SERVICE_WORDS: Vocabulary<ServiceWords> = new Map<string, Word<ServiceWords>>([
  ["mesh/load-balancing", { expects: BALANCES, parse: parseServiceBalance }],
  ["mesh/connections", { expects: "shared or own", parse: parseConnections }],
]);

/** Every annotation with what it takes, for the documentation: of pods and namespaces, then of Services. */
export const ANNOTATIONS: readonly (readonly [name: string, expects: string])[] = [
  ...[...POD_WORDS, ...SERVICE_WORDS].map(([name, { expects }]) => [name, expects] as const),
];

/** Reads what a pod or a namespace says. */
export function readEnrolmentWords(words: Words): Reading<EnrolmentWords> {
  return readWords(words, POD_WORDS, "a pod or namespace");
}

/** The enrolment of a pod; undefined = the mesh leaves it alone. */
export function resolveEnrolment(
  pod: EnrolmentWords,
  namespace: EnrolmentWords,
): Enrolment | undefined {
  const { enabled, ...enrolment } = { ...DEFAULT_ENROLMENT, ...namespace, ...pod };
  return enabled === true ? enrolment : undefined;
}

/** Reads what a Service says. */
export function readServiceWords(words: Words): Reading<ServiceWords> {
  return readWords(words, SERVICE_WORDS, "a Service");
}

function readWords<T extends object>(
  words: Words,
  known: Vocabulary<T>,
  what: string,
): Reading<Partial<T>> {
  const problems: WordProblem[] = unknownWords(words, known, what);
  let value: Partial<T> = {};
  // Labels first, so that a valid annotation overwrites them.
  for (const place of ["labels", "annotations"] as const) {
    for (const [name, word] of known) {
      const text = textOf(words[place], name);
      if (text === undefined) continue;
      const said = word.parse(text);
      if (said === undefined)
        problems.push(malformed(place, name, { text, expects: word.expects }));
      else value = { ...value, ...said };
    }
  }
  return { value, problems };
}

function textOf(map: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function malformed(
  place: keyof Words,
  name: string,
  { text, expects }: { text: string; expects: string },
): WordProblem {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return {
    field: fieldOf(place, name),
    problem: `${JSON.stringify(shown)} is not ${expects}`,
    nextStep: `set ${name} to ${expects}; until then it counts as not set`,
  };
}

/** A misspelt word would otherwise be silence: name it. */
function unknownWords(
  words: Words,
  known: ReadonlyMap<string, unknown>,
  what: string,
): WordProblem[] {
  const places = ["labels", "annotations"] as const;
  return places.flatMap((place) =>
    Object.keys(words[place])
      .filter((name) => name.startsWith("mesh/") && !known.has(name))
      .map((name) => ({
        field: fieldOf(place, name),
        problem: `${name} means nothing on ${what}`,
        nextStep: `remove it, or use one of: ${[...known.keys()].join(", ")}`,
      })),
  );
}

function fieldOf(place: keyof Words, name: string): string {
  return `metadata.${place}[${JSON.stringify(name)}]`;
}

function parseEnabled(text: string): EnrolmentWords | undefined {
  return text === "true" || text === "false" ? { enabled: text === "true" } : undefined;
}

function parseMtls(text: string): EnrolmentWords | undefined {
  return text === "permissive" || text === "strict" ? { mtls: text } : undefined;
}

function parseFail(text: string): EnrolmentWords | undefined {
  return text === "open" || text === "closed" ? { fail: text } : undefined;
}

function parseAccessLog(text: string): EnrolmentWords | undefined {
  const share = parseShare(text);
  return share === undefined ? undefined : { accessLog: share };
}

/** Of traces, false is less than a share of 0: those that others began are not followed either. */
function parseTrace(text: string): EnrolmentWords | undefined {
  if (text === "false") return { trace: "off" };
  const share = parseShare(text);
  return share === undefined ? undefined : { trace: share };
}

/** Digits only: Number() takes spaces, hexadecimal and exponents too. */
function parseShare(text: string): number | undefined {
  if (text === "true" || text === "false") return text === "true" ? 1 : 0;
  return /^(?:0(?:\.\d{1,9})?|1(?:\.0{1,9})?)$/.test(text) ? Number(text) : undefined;
}

function parseServiceBalance(text: string): ServiceWords | undefined {
  const balance = parseBalance(text);
  return balance && { balance };
}

function parseConnections(text: string): ServiceWords | undefined {
  return text === "shared" || text === "own" ? { connections: text } : undefined;
}

function ports(said: (list: readonly PortRange[]) => EnrolmentWords): Word<EnrolmentWords> {
  return { expects: PORTS, parse: (text) => mapList(parseList(text, parsePortRange), said) };
}

function cidrs(said: (list: readonly string[]) => EnrolmentWords): Word<EnrolmentWords> {
  return { expects: CIDRS, parse: (text) => mapList(parseList(text, canonicalCidr), said) };
}

function mapList<T>(
  list: readonly T[] | undefined,
  said: (list: readonly T[]) => EnrolmentWords,
): EnrolmentWords | undefined {
  return list && said(list);
}

/** A comma list with optional spaces; the empty text is the empty list (a pod clearing its namespace's). */
function parseList<T>(
  text: string,
  parse: (item: string) => T | undefined,
): readonly T[] | undefined {
  if (text.trim() === "") return [];
  const items = text.split(",");
  if (items.length > MAX_LIST) return undefined;
  const values: T[] = [];
  for (const item of items) {
    const value = parse(item.trim());
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}
