/**
 * The bytes of rtnetlink messages (RFC 3549, `linux/netlink.h`, `linux/rtnetlink.h`): a header, a fixed
 * structure, then attributes of (length, type, value) padded to four bytes. All numbers in host order,
 * which is little-endian on every machine the agent runs on, except where a name says network order.
 */

/** Size of `struct nlmsghdr`. */
export const NLMSG_HEADER = 16;

/** Message types of the kernel's own protocol. */
export const NLMSG_ERROR = 2;
/** End of a dump. */
export const NLMSG_DONE = 3;

/** Flags of a request. */
export const NLM_F = {
  REQUEST: 0x1,
  ACK: 0x4,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
} as const;

/** One attribute to send: a type with its value, or with nested attributes. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array | readonly Attribute[];
}

/** A message as it came from the kernel. */
export interface NetlinkMessage {
  readonly type: number;
  readonly sequence: number;
  /** Everything after the header. */
  readonly payload: Uint8Array;
}

/** An attribute with a 32-bit value. */
export function u32(type: number, value: number): Attribute {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return { type, value: bytes };
}

/** An attribute with a text, ended by a zero byte as the kernel expects. */
export function text(type: number, value: string): Attribute {
  return { type, value: new TextEncoder().encode(`${value}\0`) };
}

/** An attribute with raw bytes. */
export function raw(type: number, value: Uint8Array): Attribute {
  return { type, value };
}

/** An attribute that holds others. */
export function nested(type: number, attributes: readonly Attribute[]): Attribute {
  return { type, value: attributes };
}

/** A whole request: header, fixed structure, attributes. */
export function encodeMessage(message: {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly fixed: Uint8Array;
  readonly attributes: readonly Attribute[];
}): Uint8Array {
  const attributes = encodeAttributes(message.attributes);
  const fixedLength = align(message.fixed.length);
  const bytes = new Uint8Array(NLMSG_HEADER + fixedLength + attributes.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, message.type, true);
  view.setUint16(6, message.flags, true);
  view.setUint32(8, message.sequence, true);
  bytes.set(message.fixed, NLMSG_HEADER);
  bytes.set(attributes, NLMSG_HEADER + fixedLength);
  return bytes;
}

/** Splits one datagram into its messages. A length that does not fit ends the list: nothing is guessed. */
export function decodeMessages(datagram: Uint8Array): readonly NetlinkMessage[] {
  const view = viewOf(datagram);
  const messages: NetlinkMessage[] = [];
  let at = 0;
  while (at + NLMSG_HEADER <= datagram.length) {
    const length = view.getUint32(at, true);
    if (length < NLMSG_HEADER || at + length > datagram.length) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      sequence: view.getUint32(at + 8, true),
      payload: datagram.subarray(at + NLMSG_HEADER, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** The attributes of a payload that starts with a fixed structure of `skip` bytes; the last of a type wins. */
export function decodeAttributes(
  payload: Uint8Array,
  skip: number,
): ReadonlyMap<number, Uint8Array> {
  const view = viewOf(payload);
  const found = new Map<number, Uint8Array>();
  let at = align(skip);
  while (at + 4 <= payload.length) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > payload.length) break;
    // The two top bits are flags (nested, network byte order), not part of the type.
    found.set(view.getUint16(at + 2, true) & 0x3fff, payload.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** The 32-bit value of an attribute, undefined when it is absent or too short. */
export function readU32(value: Uint8Array | undefined): number | undefined {
  return value === undefined || value.length < 4 ? undefined : viewOf(value).getUint32(0, true);
}

/** The text of an attribute without its closing zero byte; empty when absent. */
export function readText(value: Uint8Array | undefined): string {
  return new TextDecoder().decode(value ?? new Uint8Array(0)).replace(/\0.*$/s, "");
}

/** A DataView of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes of a list of attributes. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return concat(...attributes.map(encodeAttribute));
}

/** Pieces joined to one array. */
export function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function encodeAttribute(attribute: Attribute): Uint8Array {
  const value =
    attribute.value instanceof Uint8Array ? attribute.value : encodeAttributes(attribute.value);
  const bytes = new Uint8Array(align(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, attribute.type, true);
  bytes.set(value, 4);
  return bytes;
}

function align(length: number): number {
  return (length + 3) & ~3;
}
