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

/** Nobody listens on the simulation's socket. */
export class NoSupervisor extends Error {}

/** Sends one request. Throws NoSupervisor when no simulation answers, an Error when it ends or `signal` says so meanwhile. */
export async function callApi(
  path: string,
  request: Request,
  signal?: AbortSignal,
): Promise<Reply> {
  const options = { socketPath: path, method: "POST", path: "/" };
  const asked = httpRequest(signal === undefined ? options : { ...options, signal });
  asked.end(JSON.stringify(request));
  try {
    const [answer] = await once(asked, "response");
    return JSON.parse(await text(answer)) as Reply;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ECONNREFUSED") throw new NoSupervisor("nobody listens");
    if (code === "ECONNRESET")
      throw new Error(
        "the simulation's supervisor ended before it answered; see: nodemesh sim status",
      );
    throw error;
  }
}
