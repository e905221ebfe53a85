/** The corpus of what is odd: what the mesh does with each, by which section of which RFC. docs/http.md is made from it. */
import { readFileSync } from "node:fs";
import type { Rule } from "../../../agent/http/h1/problem.ts";

/** A piece of a message, one character a byte. */
type Piece = string | { readonly repeat: string; readonly times: number };

interface Common {
  /** What is odd about it, for people. */
  readonly what: string;
  readonly kind: "request" | "response";
  readonly bytes: string | readonly Piece[];
  /** The RFC and its section: `9112 6.3`. */
  readonly rfc: string;
  /** Why, for people. */
  readonly why: string;
}

/** One odd message and what becomes of it. */
export type OddCase = Common &
  (
    | { readonly outcome: "passes" }
    /** `forwarded` is the head that the next hop gets. */
    | { readonly outcome: "normalised"; readonly forwarded: string }
    | { readonly outcome: "refused"; readonly rule: Rule }
  );

/** All of them, in the order of the page. */
export function oddCases(): readonly OddCase[] {
  return JSON.parse(readFileSync(new URL("corpus/odd.json", import.meta.url), "utf8"));
}

/** The bytes of a case. */
export function bytesOf({ bytes }: OddCase): Buffer {
  const pieces = typeof bytes === "string" ? [bytes] : bytes;
  const text = pieces.map((piece) =>
    typeof piece === "string" ? piece : piece.repeat.repeat(piece.times),
  );
  return Buffer.from(text.join(""), "latin1");
}
