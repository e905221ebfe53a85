/**
 * By which name this program was called: `nodemesh`, or as a plugin of kubectl, which finds `kubectl-nodemesh` in PATH
 * and asks `kubectl_complete-nodemesh` what may follow. Pure. What is told to people names commands as they are typed.
 */

import { basename } from "node:path";

/** A name and what it asks for. */
export interface Called {
  /** As it is typed. */
  readonly name: "nodemesh" | "kubectl nodemesh";
  /** kubectl wants to know what may follow the arguments. */
  readonly completes: boolean;
}

/** `path`: of what was called, the program or a link to it. */
export function calledAs(path: string): Called {
  switch (basename(path)) {
    case "kubectl-nodemesh":
      return { name: "kubectl nodemesh", completes: false };
    case "kubectl_complete-nodemesh":
      return { name: "kubectl nodemesh", completes: true };
    default:
      return { name: "nodemesh", completes: false };
  }
}

/** A text for people in which commands of nodemesh are called by `name`. `commands`: the words that may follow. */
export function inOwnWords(
  text: string,
  name: Called["name"],
  commands: readonly string[],
): string {
  if (name === "nodemesh") return text;
  return text.replaceAll(
    new RegExp(`(?<!kubectl |[-\\w./])nodemesh (?=(?:${commands.join("|")})\\b)`, "g"),
    `${name} `,
  );
}
