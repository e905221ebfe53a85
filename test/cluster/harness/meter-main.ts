/**
 * Runs in a pod of the echo image, given as text: a JSON of MeterWork (meter.ts) with the origin. Asks at a steady rate over kept
 * connections, path after path, and prints one line of JSON when every request has ended: [ended, duration in ms, code,
 * body bytes] of each.
 */
import { Agent, request } from "node:http";

const { origin, paths, rate, seconds } = JSON.parse(process.argv.at(-1) ?? "") as {
  origin: string;
  paths: string[];
  rate: number;
  seconds: number;
};
const agent = new Agent({ keepAlive: true });
const done: (readonly [number, number, number, number])[] = [];
const total = rate * seconds;
const began = performance.now();
let sent = 0;

function ask(path: string): void {
  const from = performance.now();
  const end = (code: number, bytes: number): void => {
    const ended = performance.timeOrigin + performance.now();
    done.push([Math.round(ended), +(performance.now() - from).toFixed(2), code, bytes]);
    if (done.length < total) return;
    process.stdout.write(`${JSON.stringify(done)}\n`, () => process.exit(0));
  };
  // A path that begins with "!" is asked for without a Host, which no server may answer.
  const bare = path.startsWith("!");
  const asked = request(
    `${origin}${path.replace("!", "")}`,
    { agent, setHost: !bare },
    (answer) => {
      let bytes = 0;
      answer.on("data", (piece: Buffer) => {
        bytes += piece.length;
      });
      answer.on("end", () => end(answer.statusCode ?? 0, bytes));
    },
  );
  asked.on("error", () => end(0, 0));
  asked.end();
}

setInterval(() => {
  const due = Math.min(total, ((performance.now() - began) / 1000) * rate);
  for (; sent < due; sent++) ask(paths[sent % paths.length] ?? "/");
}, 2);
