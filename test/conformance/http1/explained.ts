/**
 * The known classes of difference between the codec and llhttp, each with a test of its own that a sample
 * really belongs to it, written as regular expressions over the bytes and not with the codec's help.
 * DIFFERENCES.md says why each is wanted; the fuzz fails on a difference that none of these explains.
 */
import type { Difference } from "./differences.ts";
import { KNOWN_METHODS } from "./llhttp.ts";

/** One class of difference. */
export interface Explanation {
  /** Heading in DIFFERENCES.md. */
  readonly id: string;
  /** The Difference.name it may explain. */
  readonly name: RegExp;
  readonly holds: (difference: Difference) => boolean;
}

const REG_NAME = "[0-9A-Za-z\\-._~!$&'()*+;=]";
const AUTHORITY = `(?:${REG_NAME}+|\\[[0-9A-Fa-f:.]{2,}\\])(?::[0-9]{0,5})?`;
const HOST = new RegExp(`^(?:${AUTHORITY})?$`);
const TARGET_OF_METHOD = new RegExp(
  `^(?:CONNECT [^/?#]+:[0-9]{1,5}|OPTIONS \\*|(?!CONNECT )\\S+ (?:/\\S*|[A-Za-z][0-9A-Za-z+\\-.]*://${AUTHORITY}(?:[/?]\\S*)?)) HTTP`,
);
const STATUS_LINE = /^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?\r\n/;

/** All of them, in the order of DIFFERENCES.md. */
export const EXPLANATIONS: readonly Explanation[] = [
  stricter("host", "host", (head) => !hasOneGoodHost(head)),
  stricter(
    "target",
    "target",
    (head) => !TARGET_OF_METHOD.test(head.trimStart()) || head.includes("#"),
  ),
  stricter("http-0.9", "startLine", (head) => /^(?:\r\n)?\S+ \S+ *\r?\n?$/.test(firstLine(head))),
  stricter("version", "version", (head) =>
    /^\S* ?\S* ?HTTP\/(?:0\.9|2\.0)[\r ]/.test(head.trimStart()),
  ),
  stricter("empty-lines", "(?:lineEnd|startLine)", (head) => /^(?:\r\n)?[\r\n]/.test(head)),
  stricter("status-line", "startLine", (head) => !STATUS_LINE.test(head)),
  stricter("coding-in-1.0", "codingInOld", (head) =>
    /HTTP\/1\.0[\s\S]*\ntransfer-encoding:/i.test(head),
  ),
  stricter("other-codings", "(?:transferCoding|unknownCoding)", hasOtherCoding),
  stricter("tabs", "(?:transferCoding|contentLength)", (head) =>
    /\n(?:transfer-encoding|content-length):[^\r\n]*\t/i.test(head),
  ),
  stricter("number-form", "contentLength", (head) =>
    /\ncontent-length:[ \t]*(?:0\d|\d{16}|\r)/i.test(head),
  ),
  stricter("hidden-framing", "connectionList", (head) =>
    /\nconnection:[^\r\n]*(?:host|content-length|transfer-encoding|(?:,[^,\r]*){32})/i.test(head),
  ),
  stricter("connect-body", "connectBody", (head) => head.startsWith("CONNECT ")),
  stricter("bodiless-status", "bodyForbidden", (head) =>
    /^HTTP\/1\.\d (?:1\d\d|204)[\s\S]*\n(?:transfer-encoding|content-length):/i.test(head),
  ),
  stricter("unasked-101", "unaskedUpgrade", (head) => /^HTTP\/1\.1 101\D/.test(head)),
  stricter("extension-bytes", "chunkExtension", (_, rest) =>
    /;[^\r\n]*[\x80-\xff]|;[^\r\n]{257}/.test(rest),
  ),
  stricter("trailer-names", "trailer(?:TooLarge)?", (_, rest) =>
    /\n(?:host|connection|upgrade|te|transfer-encoding|content-length|cookie):/i.test(rest),
  ),
  { id: "unknown-methods", name: /^(?:looser|later) HPE_INVALID_METHOD$/, holds: hasUnknownMethod },
  { id: "scheme", name: /^(?:looser|later) HPE_INVALID_URL$/, holds: hasRareScheme },
  { id: "extension-grammar", name: /^(?:looser|later) HPE_STRICT$/, holds: hasExtension },
  { id: "told-at-line-end", name: /^later HPE_/, holds: hasUnfinishedLine },
  { id: "close-wins", name: /^keep-alive$/, holds: hasBothOptions },
];

/** The explanation of a difference, if there is one. */
export function explain(difference: Difference): Explanation | undefined {
  return EXPLANATIONS.find(({ name, holds }) => name.test(difference.name) && holds(difference));
}

/** A class of messages that the codec refuses and llhttp takes. `head` is the refused head, `rest` all from there. */
function stricter(
  id: string,
  problem: string,
  holds: (head: string, rest: string) => boolean,
): Explanation {
  return {
    id,
    name: new RegExp(`^stricter ${problem}$`),
    holds: ({ text, ours }) => {
      const rest = text.slice(ours.consumed);
      return holds(headOf(rest), rest);
    },
  };
}

function headOf(rest: string): string {
  const end = rest.search(/\S[\s\S]*?\r\n\r\n/) < 0 ? rest.length : rest.indexOf("\r\n\r\n", 2) + 2;
  return rest.slice(0, end <= 2 ? rest.length : end);
}

function firstLine(head: string): string {
  return /^(?:\r\n)?[^\r\n]*\r?\n?/.exec(head)?.[0] ?? "";
}

function hasOneGoodHost(head: string): boolean {
  const hosts = [...head.matchAll(/\nhost:[ \t]*([^\r\n]*?)[ \t]*(?=\r)/gi)].map(
    ([, host]) => host ?? "",
  );
  const needed = /^[^\n]*HTTP\/1\.0\r/.test(head.trimStart()) ? [0, 1] : [1];
  return needed.includes(hosts.length) && hosts.every((host) => HOST.test(host));
}

function hasOtherCoding(head: string): boolean {
  const codings = [...head.matchAll(/\ntransfer-encoding:[ \t]*([^\r\n]*?)[ \t]*(?=\r)/gi)];
  return codings.length > 1 || codings.some(([, coding]) => coding?.toLowerCase() !== "chunked");
}

function hasUnknownMethod({ text, ours, theirs }: Difference): boolean {
  const line = ours.messages[theirs.messages.length]?.line ?? text.slice(ours.consumed);
  const method = /^\S+(?= )/.exec(line)?.[0];
  return method !== undefined && !KNOWN_METHODS.includes(method);
}

function hasRareScheme({ ours, theirs }: Difference): boolean {
  const line = ours.messages[theirs.messages.length]?.line ?? "";
  return (
    /^\S+ [A-Za-z]+[0-9+\-.]/.test(line) || /^\S+ \S+:\/\/[^/?]*[^0-9A-Za-z\-._:[\]]/.test(line)
  );
}

function hasExtension({ ours, theirs }: Difference): boolean {
  return /^[0-9a-f]+;/im.test(ours.messages[theirs.messages.length - 1]?.raw ?? "");
}

function hasUnfinishedLine({ text, ours }: Difference): boolean {
  return !text.endsWith("\n") || !/\n\r?\n/.test(text.slice(ours.consumed));
}

function hasBothOptions({ text }: Difference): boolean {
  return (
    /HTTP\/1\.0\r\n(?:[^\r\n]+\r\n)*connection:[^\r\n]*keep-alive/i.test(text) &&
    /close/i.test(text)
  );
}
