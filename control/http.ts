/** A small read-only HTTP/1.1 server: a table of GET paths. For metrics, readiness and the admin socket. */

import { createServer, type Server } from "node:http";

/** What a path answers. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Paths and who answers them. */
export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/** Makes the server, not yet listening. A handler that throws gives 500 and its message. */
export function readOnlyServer(routes: Routes): Server {
  return createServer((request, response) => {
    void answer(routes, request.method ?? "", request.url ?? "/").then(({ status, type, body }) => {
      response.writeHead(status, { "content-type": type });
      response.end(request.method === "HEAD" ? undefined : body);
    });
  });
}

/** A JSON answer; maps are given as objects. */
export function json(value: unknown): Answer {
  const body = JSON.stringify(value, (_, item: unknown) =>
    item instanceof Map ? Object.fromEntries(item) : item,
  );
  return { status: 200, type: "application/json", body: `${body}\n` };
}

/** A plain text answer. */
export function text(status: number, body: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${body}\n` };
}

async function answer(routes: Routes, method: string, url: string): Promise<Answer> {
  const [path = "/"] = url.split("?");
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return text(404, `try ${Object.keys(routes).join(", ")}`);
  if (method !== "GET" && method !== "HEAD") return text(405, "only GET");
  try {
    return await route();
  } catch (cause) {
    return text(500, String(cause));
  }
}
