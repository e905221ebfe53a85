/** Random HTTP/1.1 byte streams from a seed: valid ones, and mutations that lean towards what splits parsers. */

/** A source of integers `[0, below)`. */
export type Dice = (below: number) => number;

/** Mulberry32: small, fast, the same on every machine. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One of `choices`. */
export function pick<T>(roll: Dice, choices: readonly T[]): T {
  return choices[roll(choices.length)] as T;
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] as const;
const TARGETS = ["/", "/a/b?c=d", "/x;y=z?q=?/", "http://host.example/p?q", "/%20"] as const;
const FIELDS = [
  "Accept: */*",
  "X-Empty:",
  "X-Space: \t v \t",
  "Cookie: a=b; c=d",
  "connection: keep-alive",
  "X-Obs: \xe9\xff",
  "Expect: 100-continue",
  "TE: trailers",
  "X-Long: ".concat("v".repeat(90)),
] as const;

/** A chunked body with extensions, leading zeros and trailers now and then. */
export function chunkedBody(roll: Dice): string {
  let body = "";
  for (let n = roll(4); n > 0; n--) {
    const data = "d\r\n0".repeat(8).slice(0, 1 + roll(20));
    const size = data.length.toString(16);
    const written = pick(roll, [size, size.toUpperCase(), `00${size}`]);
    body += `${written}${pick(roll, ["", "", ";a", ";a=b", ';a="b c"'])}\r\n${data}\r\n`;
  }
  return `${body}${pick(roll, ["0", "000", "0;e"])}\r\n${pick(roll, ["", "", "X-Sum: 1\r\n", "A:\r\nB: c\r\n"])}\r\n`;
}

/** One to four valid requests behind each other. */
export function requests(roll: Dice): string {
  let stream = "";
  for (let n = 1 + roll(4); n > 0; n--) stream += request(roll);
  return stream;
}

/** One to four valid responses to GET, none that lasts until the connection closes. */
export function responses(roll: Dice): string {
  let stream = "";
  for (let n = 1 + roll(4); n > 0; n--) {
    const line = `HTTP/1.1 ${pick(roll, ["200 OK", "404 Not Found", "500 ", "201 Cr\xe9\xe9"])}\r\n`;
    stream += pick(roll, [
      "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
      line + fields(roll) + body(roll, true),
      line + fields(roll) + body(roll, true),
    ]);
  }
  return stream;
}

function request(roll: Dice): string {
  const minor = roll(8) === 0 ? 0 : 1;
  const line = `${pick(roll, METHODS)} ${pick(roll, TARGETS)} HTTP/1.${minor}\r\n`;
  const host = `${pick(roll, ["Host: x", "host: x.y:80", "HOST:[::1]"])}\r\n`;
  const rest = body(roll, false, minor);
  return roll(2) === 0 ? line + host + fields(roll) + rest : line + fields(roll) + host + rest;
}

function fields(roll: Dice): string {
  let lines = "";
  for (let n = roll(4); n > 0; n--) lines += `${pick(roll, FIELDS)}\r\n`;
  return lines;
}

/** The framing field, the blank line and the body. */
function body(roll: Dice, needed: boolean, minor = 1): string {
  const kind = roll(needed ? 2 : 4);
  if (kind === 0) {
    const data = "0\r\n\r\nGET / HTTP/1.1".slice(0, roll(20));
    return `Content-Length: ${data.length}\r\n\r\n${data}`;
  }
  if (kind === 1 && minor === 1) return `Transfer-Encoding: chunked\r\n\r\n${chunkedBody(roll)}`;
  return needed ? "Content-Length: 0\r\n\r\n" : "\r\n";
}

/** Pieces that parsers are known to read differently. */
const SPICE = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "\x0b",
  "\x7f",
  "\x80",
  "\r\n ",
  "\r\n\r\n",
  "0",
  "5",
  "+",
  "0x",
  "chunked",
  "identity, ",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Connection: close\r\n",
  "Connection: content-length\r\n",
  "Connection: upgrade\r\nUpgrade: h2c\r\n",
  "Host: y\r\n",
  "HTTP/1.0",
  "HTTP/1.1",
  "CONNECT ",
  "GET ",
  "*",
  "#",
  "@",
  "-1",
  "18446744073709551617",
] as const;

/** One to three small changes of a stream: insert, delete, replace, repeat a slice, change a letter's case. */
export function mutate(roll: Dice, stream: string): string {
  let text = stream;
  for (let n = 1 + roll(3); n > 0; n--) {
    const at = roll(text.length + 1);
    const length = 1 + roll(4);
    const spice = pick(roll, SPICE);
    const before = text.slice(0, at);
    const slice = text.slice(at, at + length);
    const changes = [
      before + spice + text.slice(at),
      before + text.slice(at + length),
      before + spice + text.slice(at + length),
      before + slice + text.slice(at),
      before + String.fromCharCode(roll(256)) + text.slice(at + 1),
      before + lineOf(text, at) + text.slice(at),
      before + slice.toUpperCase() + text.slice(at + length),
    ];
    text = pick(roll, changes);
  }
  return text;
}

/** The line around `at`, to be repeated in the middle of things. */
function lineOf(text: string, at: number): string {
  const start = text.lastIndexOf("\r\n", at) + 2;
  const end = text.indexOf("\r\n", at);
  return end < start ? "" : text.slice(start, end + 2);
}
