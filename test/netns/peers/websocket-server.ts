/**
 * Runs inside a pod: a WebSocket server (RFC 6455) that echoes messages. `close CODE` makes it close first. It checks
 * what a server must check (masking, lengths), so that a byte changed on the way ends the connection.
 */

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** RFC 9110 section 15.5.22: names the protocol that is wanted. */
const REFUSAL =
  "HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nConnection: Upgrade, close\r\nContent-Length: 3\r\n\r\nno\n";
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Bytes of the frame in all. */
  readonly size: number;
}

/** The first frame in the bytes, unmasked; undefined when it is not whole yet. */
function parseFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 6) return undefined;
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  if ((first & 0x80) === 0 || (second & 0x80) === 0) throw new Error("fragmented or unmasked");
  const short = second & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  if (bytes.length < 6 + extended) return undefined;
  const length =
    short === 126
      ? bytes.readUInt16BE(2)
      : short === 127
        ? Number(bytes.readBigUInt64BE(2))
        : short;
  const size = 6 + extended + length;
  if (bytes.length < size) return undefined;
  const mask = bytes.subarray(2 + extended, 6 + extended);
  const payload = Buffer.from(bytes.subarray(6 + extended, size));
  for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return { opcode: first & 0xf, payload, size };
}

/** A server's frame: whole and without a mask. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** Echoes until either side has closed; the TCP connection is ended by the server (RFC 6455 section 7.1.1). */
function converse(socket: Duplex, first: Buffer): void {
  let held = first;
  let closing = false;
  const answer = ({ opcode, payload }: Frame): void => {
    const asked = /^close (\d+)$/.exec(opcode === TEXT ? payload.toString() : "")?.[1];
    if (opcode === CLOSE) {
      if (!closing) socket.write(frame(CLOSE, payload));
      socket.end();
    } else if (asked !== undefined) {
      closing = true;
      const code = Buffer.alloc(2);
      code.writeUInt16BE(Number(asked));
      socket.write(frame(CLOSE, Buffer.concat([code, Buffer.from("server says so")])));
    } else if (opcode === PING) socket.write(frame(PONG, payload));
    else if (opcode === TEXT || opcode === BINARY) socket.write(frame(opcode, payload));
  };
  const work = (): void => {
    for (let next = parseFrame(held); next !== undefined; next = parseFrame(held)) {
      held = held.subarray(next.size);
      answer(next);
    }
  };
  socket.on("error", () => socket.destroy());
  socket.on("end", () => socket.end());
  socket.on("data", (piece: Buffer) => {
    held = Buffer.concat([held, piece]);
    work();
  });
  work();
}

const server = createServer((_request, response) => response.end("plain\n"));
server.on("upgrade", (request, socket, head) => {
  if (request.url === "/refused") {
    socket.end(REFUSAL);
    return;
  }
  const key = request.headers["sec-websocket-key"] ?? "";
  const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
  const protocol = request.headers["sec-websocket-protocol"];
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${accept}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  converse(socket, head);
});
server.listen(Number(process.argv[2]), "::", () => process.stdout.write("listening\n"));
process.stdin.resume().on("end", () => process.exit(0));
