/** HTTP over the supervisor's unix socket, both sides. */

import { once } from "node:events";
import { createServer, request as httpRequest, type Server } from "node:http";
import { json, text } from "node:stream/consumers";
import type { Reply, Request } from "./protocol.ts";

/** Serves requests on a unix socket. What `answer` throws becomes a problem of the reply. */
export async function serveApi(
  path: string,
  answer: (request: Request) => Promise<Reply>,
): Promise<Server> {
  const server = createServer((asked, response) => {
    void json(asked)
      .then((request) => answer(request as Request))
      .catch((error: Error): Reply => ({ lines: [], problems: [error.message] }))
      .then((reply) => response.end(JSON.stringify(reply)));
  });
  // A request may take as long as its verb waits (delete, wait, down).
  server.requestTimeout = 0;
  server.listen(path);
  await once(server, "listening");
  return server;
}

/** Sends one request. Throws an Error with the next step when no simulation answers. */
export async function callApi(path: string, request: Request): Promise<Reply> {
  const asked = httpRequest({ socketPath: path, method: "POST", path: "/" });
  asked.end(JSON.stringify(request));
  let answered: Awaited<ReturnType<typeof once>>;
  try {
    answered = await once(asked, "response");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ECONNREFUSED")
      throw new Error(
        "no simulation is running; start one: nodemesh sim up -f deploy/samples/shop.yaml --detach",
      );
    throw error;
  }
  return JSON.parse(await text(answered[0])) as Reply;
}
