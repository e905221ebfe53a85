/**
 * Tells whether this pod's connections go through the mesh, again and again, each on a new connection:
 * sends a request head that the mesh refuses with a reason of its own (a space before a colon, RFC 9112
 * section 5.1) and looks for `x-nodemesh-reason` in the answer.
 * Arguments: ADDRESS PORT. Prints `meshed MILLISECONDS` or `direct MILLISECONDS` (of the epoch) at each change.
 */
import { once } from "node:events";
import { connect } from "node:net";

const [address = "", port = ""] = process.argv.slice(2);

/** One probe: whether the answer came from the mesh; undefined when there was none (that is neither). */
async function probe(): Promise<boolean | undefined> {
  const socket = connect(Number(port), address);
  let answer = "";
  socket.on("data", (bytes: Buffer) => {
    answer += bytes.toString("latin1");
  });
  socket.on("error", () => undefined);
  socket.setTimeout(2_000, () => socket.destroy());
  socket.write("GET / HTTP/1.1\r\nHost: bench\r\nBroken : yes\r\nConnection: close\r\n\r\n");
  await once(socket, "close");
  if (answer === "") return undefined;
  return answer.toLowerCase().includes("\r\nx-nodemesh-reason:");
}

let before: boolean | undefined;
for (;;) {
  const now = await probe();
  if (now !== undefined && now !== before) {
    console.log(`${now ? "meshed" : "direct"} ${performance.timeOrigin + performance.now()}`);
    before = now;
  }
}
