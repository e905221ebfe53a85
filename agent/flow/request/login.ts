/**
 * Authentication of a connection: schemes that authenticate once for all that follows on it (NTLM, and Negotiate when it
 * carries NTLM or Kerberos, RFC 4559). From the first challenge or credential on, the connection is that user's.
 */

import type { Range } from "../../http/h1/ranges.ts";
import type { AnswerHead, MessageHead, RequestHead } from "../../http/message.ts";

const AUTHORIZATION: readonly Uint8Array[] = ["authorization", "proxy-authorization"].map(bytesOf);
const AUTHENTICATE: readonly Uint8Array[] = ["www-authenticate", "proxy-authenticate"].map(bytesOf);

/** Lower case. */
const SCHEMES: readonly string[] = ["ntlm", "negotiate", "nego2", "kerberos"];

const RANGE: Range = { start: 0, end: 0 };

/** Whether the request carries a credential of such a scheme. */
export function logsIn(head: RequestHead): boolean {
  return AUTHORIZATION.some((name) => names(head, name));
}

/** Whether the answer asks for such a credential: 401 and 407 alone do (RFC 9110 section 11.6.1). */
export function challenges(head: AnswerHead): boolean {
  if (head.status !== 401 && head.status !== 407) return false;
  return AUTHENTICATE.some((name) => names(head, name));
}

function names(head: MessageHead, name: Uint8Array): boolean {
  for (let at = head.find(name, RANGE); at >= 0; at = head.find(name, RANGE, at + 1))
    if (hasScheme(head.bytes, RANGE.start, RANGE.end)) return true;
  return false;
}

const COMMA = 44;
/** The bit that tells lower case from upper case letters. */
const LOWER_CASE = 32;
const INITIALS: readonly number[] = [...new Set(SCHEMES.map((scheme) => scheme.charCodeAt(0)))];

/** A field may list several challenges (RFC 9110 section 11.6.1): a scheme is a word at the start or behind a comma. */
function hasScheme(bytes: Uint8Array, start: number, end: number): boolean {
  const initial = (bytes[start] as number) | LOWER_CASE;
  // Nearly all credentials are of other schemes: no text is made of them.
  if (!INITIALS.includes(initial) && !bytes.subarray(start, end).includes(COMMA)) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)
    .toString("latin1")
    .toLowerCase();
  return text.split(",").some((part) => SCHEMES.includes(part.trim().split(/[ \t]/)[0] ?? ""));
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
}
