/** How a service spreads requests (or connections) over its endpoints: the words of `mesh/load-balancing`. */

/** What a consistent hash is taken of. */
export type HashKey =
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "cookie"; readonly name: string }
  | { readonly kind: "source-ip" };

/** A balancing algorithm. `least-request` is power of two choices; `ewma` the same on peak-EWMA latency. */
export type Balance =
  | { readonly kind: "least-request" }
  | { readonly kind: "round-robin" }
  | { readonly kind: "random" }
  | { readonly kind: "ewma" }
  | { readonly kind: "consistent-hash"; readonly key: HashKey };

/** The algorithm of a Service that names none. */
export const DEFAULT_BALANCE: Balance = { kind: "least-request" };

/** RFC 9110 section 5.6.2 token, the grammar of header and cookie names; longer ones than anybody uses are refused. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;

/**
 * Reads the value of the Service annotation `mesh/load-balancing`.
 * Returns undefined when the value is not one of the documented forms.
 */
export function parseBalance(text: string): Balance | undefined {
  switch (text) {
    case "least-request":
    case "round-robin":
    case "random":
    case "ewma":
      return { kind: text };
    case "consistent-hash:source-ip":
      return { kind: "consistent-hash", key: { kind: "source-ip" } };
    default:
      return parseNamedHash(text);
  }
}

function parseNamedHash(text: string): Balance | undefined {
  const match = /^consistent-hash:(header|cookie)=(.+)$/.exec(text);
  const [, kind, name] = match ?? [];
  if (name === undefined || !TOKEN.test(name)) return undefined;
  if (kind === "header")
    return { kind: "consistent-hash", key: { kind, name: name.toLowerCase() } };
  return { kind: "consistent-hash", key: { kind: "cookie", name } };
}
