/** Runs in a pod of the echo image, given as text: NAMESPACE. See watcher.ts for what it says. */
import { createServer, get } from "node:http";
import { connect } from "node:net";

const namespace = process.argv.at(-1) ?? "";
const EVERY_MS = 10;
const OPEN_EVERY_MS = 1_000;
const MOST_HELD = 60;
const PING_EVERY_MS = 50;
const ANSWER_WITHIN_MS = 3_000;
const PROBE_PORT = 8080;

const host = (name: string): string => `${name}.${namespace}.svc.cluster.local`;
const say = (what: object): void => {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...what })}\n`);
};

let way = "";
let alike = 0;
function took(seen: "mesh" | "direct"): void {
  if (seen !== way) {
    say({ way: seen, before: alike });
    alike = 0;
  }
  way = seen;
  alike++;
}

function askNobody(): void {
  const request = get(`http://${host("watched-nobody")}/`, { agent: false }, (response) => {
    response.resume();
    took("mesh");
  });
  request.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ECONNREFUSED") took("direct");
    else say({ failed: `nobody: ${error.code ?? error.message}` });
  });
}

function askSomebody(): void {
  const request = get(`http://${host("watched-http")}/`, { agent: false }, (response) => {
    response.resume();
    response.on("error", (error) => say({ failed: `answer: ${error.message}` }));
    if (response.statusCode !== 200) say({ failed: String(response.statusCode) });
  });
  request.on("error", (error: NodeJS.ErrnoException) =>
    say({ failed: error.code ?? error.message }),
  );
}

let held = 0;
function hold(): void {
  if (held >= MOST_HELD) return;
  const number = ++held;
  const socket = connect(7000, host("watched-bytes"));
  let sent = 0;
  let received = 0;
  let since = Date.now();
  socket.on("connect", () => {
    say({ opened: number });
    const pings = setInterval(() => {
      if (received < sent && Date.now() - since > ANSWER_WITHIN_MS) {
        socket.destroy(new Error("no answer"));
        return;
      }
      if (received === sent) since = Date.now();
      socket.write("x");
      sent++;
    }, PING_EVERY_MS);
    socket.on("close", () => clearInterval(pings));
  });
  socket.on("data", (bytes) => {
    received += bytes.length;
  });
  let why = "closed by the peer";
  socket.on("error", (error: NodeJS.ErrnoException) => {
    why = error.code ?? error.message;
  });
  socket.on("close", () => say({ ended: number, why }));
}

let probed = false;
createServer((_request, response) => {
  if (!probed) say({ probed: true });
  probed = true;
  response.end();
}).listen(PROBE_PORT, "::");

setInterval(askNobody, EVERY_MS);
setInterval(askSomebody, 2 * EVERY_MS);
setInterval(hold, OPEN_EVERY_MS);
askNobody();
hold();
process.on("SIGTERM", () => process.exit(0));
