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

const REG_NAME = "(?:[0-9A-Za-z\\-._~!$&'()*+;=\\x80-\\xff]|%[0-9A-Fa-f]{2})";
const AUTHORITY = `(?:${REG_NAME}+|\\[[0-9A-Fa-f:.]{2,}\\])(?::[0-9]{0,5})?`;
const HOST = new RegExp(`^(?:${AUTHORITY})?$`);
const TARGET_OF_METHOD = new RegExp(
  `^(?:CONNECT [^/?#]+:[0-9]{1,5}|(?!CONNECT )\\S+ (?:[^\\s:/?#]*(?:[/?#]\\S*)?|[A-Za-z][0-9A-Za-z+\\-.]*://${AUTHORITY}(?:[/?#]\\S*)?)) HTTP`,
);
const STATUS_LINE = /^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?\r\n/;

/** All of them, in the order of DIFFERENCES.md. */
export const EXPLANATIONS: readonly Explanation[] = [
  stricter("host", "host", (head) => !hasOneGoodHost(head)),
  stricter("target", "target", (head) => !TARGET_OF_METHOD.test(head.trimStart())),
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
    /\ncontent-length:[ \t]*(?:0*[1-9]\d{15}|\r)/i.test(head),
  ),
  stricter("hidden-framing", "connectionList", (head) =>
    /\nconnection:[^\r\n]*(?:host|content-length|transfer-encoding|(?:,[^,\r]*){32})/i.test(head),
  ),
  stricter("connect-body", "connectBody", (head) => head.startsWith("CONNECT ")),
  stricter("unasked-101", "unaskedUpgrade", (head) => /^HTTP\/1\.1 101\D/.test(head)),
  stricter("extension-bytes", "chunkExtension", (_, rest) =>
    /;[^\r\n]*[\x80-\xff]|;[^\r\n]{4097}/.test(rest),
  ),
  stricter("trailer-names", "trailer(?:TooLarge)?", (_, rest) =>
    /\n(?:host|connection|upgrade|te|transfer-encoding|content-length|cookie):/i.test(rest),
  ),
  { id: "unknown-methods", name: /^(?:looser|later) HPE_INVALID_METHOD$/, holds: hasUnknownMethod },
  { id: "scheme", name: /^(?:looser|later) HPE_INVALID_URL$/, holds: hasRareScheme },
  { id: "extension-grammar", name: /^(?:looser|later) HPE_STRICT$/, holds: hasExtension },
  { id: "told-at-line-end", name: /^later HPE_/, holds: hasUnfinishedLine },
  { id: "close-wins", name: /^keep-alive$/, holds: hasBothOptions },
  looser("odd-fields", "HPE_(?:INVALID_HEADER_TOKEN|UNEXPECTED_SPACE|INTERNAL)", hasOddField),
  looser("odd-targets", "HPE_INVALID_URL", hasOddTarget),
  looser("higher-minor", "HPE_INVALID_VERSION", ({ text }) => /HTTP\/1\.[2-9][ \r]/i.test(text)),
  looser("lower-protocol", "HPE_INVALID_CONSTANT", ({ text }) =>
    /(?:^|[ \n])(?!HTTP)[Hh][Tt][Tt][Pp]\/1\.\d/.test(text),
  ),
  looser("one-length", "HPE_UNEXPECTED_CONTENT_LENGTH", hasTwoLengths),
  looser(
    "coding-wins",
    "HPE_(?:INVALID_TRANSFER_ENCODING|(?:INVALID|UNEXPECTED)_CONTENT_LENGTH)",
    hasTwoLengths,
  ),
  {
    id: "interim-length",
    name: /^(?:body|end of the message|number of messages|later HPE_\w+|looser HPE_\w+|stricter \w+)$/,
    holds: hasInterimLength,
  },
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

/** A class of messages that the codec takes and llhttp refuses, at once or later. */
function looser(
  id: string,
  codes: string,
  holds: (difference: Difference) => boolean,
): Explanation {
  return { id, name: new RegExp(`^(?:looser|later) ${codes}$`), holds };
}

/** In the message that llhttp was in when it gave up: all before are taken by both. */
function hasOddField({ text, ours, theirs }: Difference): boolean {
  const { fields = [] } = ours.messages[theirs.messages.length] ?? {};
  const { raw = "" } = ours.messages[theirs.messages.length - 1] ?? {};
  const odd = fields.some((part, i) => (i % 2 === 0 ? ODD_NAME : ODD_VALUE).test(part));
  // The value of a field that is folded at its colon begins in the next line.
  return odd || /:[ \t]*\r\n[ \t]+\S/.test(text) || ODD_TRAILER.test(`\r\n${raw}`);
}

const ODD_NAME = /["(),/;<=>?@[\\\]{}]/;
/** Control characters that no known reader takes for a line's end. */
const CONTROL = `[${["\\x01-\\x08", "\\x0e-\\x1b", "\\x1f", "\\x7f"].join("")}]`;
const ODD_VALUE = new RegExp(`${CONTROL}|\r\n[ \t]`);
const ODD_TRAILER = new RegExp(`\r\n0[^\r]*\r\n[^]*${CONTROL}`);

function hasOddTarget({ ours, theirs }: Difference): boolean {
  const line = ours.messages[theirs.messages.length]?.line ?? "";
  const target = line.slice(line.indexOf(" ") + 1);
  return /[^\x21-\x7e]|#|^[^/]/.test(target);
}

function hasTwoLengths({ ours, theirs }: Difference): boolean {
  const { fields = [] } = ours.messages[theirs.messages.length] ?? {};
  const framing = fields.filter(
    (part, i) => i % 2 === 0 && /^(?:content-length|transfer-encoding)$/i.test(part),
  );
  return framing.length > 1;
}

function hasInterimLength({ text }: Difference): boolean {
  return /HTTP\/1\.1 1\d\d[^\r]*\r\n(?:[^\r\n]+\r\n)*(?:content-length|transfer-encoding):/i.test(
    text,
  );
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
