/**
 * Opens connections, makes one request on each, then holds them idle until its input ends.
 * Arguments: ADDRESS PORT PATH CONNECTIONS. Prints "held N" when all have been answered.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const [address = "", port = "", path = "/", countText = ""] = process.argv.slice(2);

/** One connection that has been answered once. */
async function open(): Promise<Socket> {
  const socket = connect(Number(port), address);
  socket.on("close", () => {
    console.error("the server closed a held connection");
    process.exit(1);
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
  await once(socket, "data");
  return socket;
}

const held: Socket[] = [];
for (let i = 0; i < Number(countText); i++) held.push(await open());
console.log(`held ${held.length}`);
await once(process.stdin.resume(), "end");
process.exit(0);
