/**
 * HTTP/1.1 as applications use it, byte by byte at both ends: what leaves one application reaches the other through
 * two agents, in the order and at the time in which it was said. IPv4 and IPv6.
 */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import type { PodListener, PodPeer, PodSocket } from "../support/pod-peer.ts";

const ENROLLED = { "mesh/enabled": "true" };
const MANIFESTS =
  idlePod("client", "node-1", ENROLLED) +
  idlePod("server", "node-2", ENROLLED) +
  serviceOf("server", { http: [80, "http"] });
const LARGE_BYTES = 8 << 20;
const GET = "GET / HTTP/1.1\r\nHost: server\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

let lab: MeshLab;
let client: PodPeer;
let server: PodPeer;
let listener: PodListener;
let vips: readonly string[];

before(async () => {
  lab = await MeshLab.start("http", MANIFESTS);
  const { services } = await lab.status();
  vips = services.find(({ name }) => name === "server")?.clusterIPs ?? [];
  client = lab.peer("client");
  server = lab.peer("server");
  listener = await server.listen(80);
});

after(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

for (const family of [4, 6]) {
  describe(`IPv${family}`, () => {
    /** Sends a request's first bytes and takes the connection that they reach the server on. */
    async function ask(bytes: string): Promise<readonly [near: PodSocket, far: PodSocket]> {
      const near = await client.connect(vip(family), 80);
      const accepted = listener.accept();
      await near.write(bytes);
      return [near, await accepted];
    }

    /** Ends both; the server first, so that no agent keeps a connection for the next test. */
    async function finish(near: PodSocket, far: PodSocket): Promise<void> {
      await far.end();
      await far.read();
      await near.end();
      await near.read();
    }

    test("100-continue: the body waits for the server's word", async () => {
      const head =
        "POST /up HTTP/1.1\r\nHost: server\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
      const [near, far] = await ask(head);
      assert.equal((await far.read(head.length)).text, head);
      assert.deepEqual(await far.read(1, 150), { text: "", ended: "open" });
      const go = "HTTP/1.1 100 Continue\r\n\r\n";
      await far.write(go);
      assert.equal((await near.read(go.length)).text, go);
      await near.write("body");
      assert.equal((await far.read(4)).text, "body");
      await far.write(OK);
      assert.equal((await near.read(OK.length)).text, OK);
      await finish(near, far);
    });

    test("a refused expectation is answered without the body being asked for", async () => {
      const head =
        "POST /up HTTP/1.1\r\nHost: server\r\nExpect: 100-continue\r\nContent-Length: 4000000\r\n\r\n";
      const [near, far] = await ask(head);
      await far.read(head.length);
      await far.write("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
      const { text } = await near.read(60);
      assert.match(text, /^HTTP\/1\.1 417 Expectation Failed\r\n[\s\S]*\r\n\r\nno$/);
      await finish(near, far);
    });

    test("103 Early Hints and 102 cross before the answer", async () => {
      const [near, far] = await ask(GET);
      await far.read(GET.length);
      const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
      await far.write(hints);
      assert.equal((await near.read(hints.length)).text, hints);
      const rest = `HTTP/1.1 102 Processing\r\n\r\n${OK}`;
      await far.write(rest);
      assert.equal((await near.read(rest.length)).text, rest);
      await finish(near, far);
    });

    test("chunks and trailers cross as they are, both ways", async () => {
      const request =
        "POST / HTTP/1.1\r\nHost: server\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
      const body = "5;note=1\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n";
      const [near, far] = await ask(request + body);
      const got = (await far.read(request.length + body.length)).text;
      assert.ok(got.endsWith(body), got);
      assert.match(got, /^Transfer-Encoding: chunked\r$/m);
      const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
      await far.write(answer + body);
      const seen = (await near.read(answer.length + body.length)).text;
      assert.ok(seen.startsWith("HTTP/1.1 200 OK\r\n") && seen.endsWith(body), seen);
      await finish(near, far);
    });

    test("HEAD, 204 and 304 have no body, whatever their length says, and the connection goes on", async () => {
      const [near, far] = await ask(GET.replace("GET", "HEAD"));
      await far.read(GET.length + 1);
      const heads = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        OK,
      ];
      for (const [i, head] of heads.entries()) {
        if (i > 0) {
          await near.write(GET);
          assert.equal((await far.read(GET.length)).text, GET);
        }
        await far.write(head);
        assert.equal((await near.read(head.length)).text, head);
      }
      await finish(near, far);
    });

    test("pipelined requests are answered in order", async () => {
      const paths = ["/a", "/b", "/c"];
      const requests = paths.map((path) => GET.replace("/", path));
      const [near, far] = await ask(requests.join(""));
      for (const [i, request] of requests.entries()) {
        assert.equal((await far.read(request.length)).text, request);
        await far.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${paths[i]}`);
      }
      const answers = (await near.read(3 * OK.length)).text;
      assert.deepEqual(answers.match(/\/[abc]/g), paths);
      await finish(near, far);
    });

    test("drop by drop: heads and bodies of single bytes", async () => {
      const near = await client.connect(vip(family), 80);
      const accepted = listener.accept();
      const request = "POST /slow HTTP/1.1\r\nHost: server\r\nContent-Length: 3\r\n\r\nabc";
      for (const byte of request) await near.write(byte);
      const far = await accepted;
      assert.equal((await far.read(request.length)).text, request);
      for (const byte of OK) await far.write(byte);
      assert.equal((await near.read(OK.length)).text, OK);
      await finish(near, far);
    });

    test("each piece of an answer is handed on when it comes, not when the answer is whole", async () => {
      const [near, far] = await ask(GET);
      await far.read(GET.length);
      const head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 30\r\n\r\n";
      await far.write(head);
      assert.equal((await near.read(head.length)).text, head);
      for (const event of ["data: one\n", "data: two\n", "data: six\n"]) {
        await far.write(event);
        assert.equal((await near.read(event.length, 1_000)).text, event);
      }
      await finish(near, far);
    });

    test("a server that answers before it has the body is heard, whatever the client still sends", async () => {
      const head = `POST / HTTP/1.1\r\nHost: server\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`;
      const [near, far] = await ask(head);
      await far.read(head.length);
      await far.pause();
      const sending = near.send(LARGE_BYTES, "upload");
      const body = "too large, ".repeat(500);
      await far.write(
        `HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await far.end();
      const { text } = await near.read(body.length + 80);
      assert.match(text, /^HTTP\/1\.1 413 /);
      assert.ok(text.endsWith(body), `the answer ends after ${text.length} bytes`);
      await far.resume();
      await far.read();
      await sending;
      await near.end();
    });

    test("a client that half-closes behind its request gets the whole answer", async () => {
      const [near, far] = await ask(GET);
      await near.end();
      await far.read(GET.length);
      // The server is slower than the client's end of stream.
      assert.deepEqual(await near.read(1, 100), { text: "", ended: "open" });
      const body = "x".repeat(200_000);
      await far.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      const { text, ended } = await near.read();
      assert.ok(text.endsWith(body), `${text.length} bytes`);
      assert.equal(ended, "fin");
      await far.end();
    });

    test("an answer without a length ends with its connection, cleanly", async () => {
      const [near, far] = await ask(GET);
      await far.read(GET.length);
      await far.write("HTTP/1.1 200 OK\r\n\r\nuntil the end");
      await far.end();
      const { text, ended } = await near.read();
      assert.ok(text.endsWith("\r\n\r\nuntil the end"), text);
      assert.equal(ended, "fin");
      await near.end();
    });

    test("an answer cut short is never passed off as whole", async () => {
      for (const cut of ["end", "reset"] as const) {
        const [near, far] = await ask(GET);
        await far.read(GET.length);
        await far.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        assert.match((await near.read(1)).text, /^HTTP\/1\.1 200 OK/);
        await far[cut]();
        // As without a mesh: the length tells of the missing part, the end tells how its server went.
        const ended = cut === "end" ? "fin" : "reset";
        assert.deepEqual(await near.read(), { text: "", ended });
      }
    });

    test("a client that goes away takes its request along: the server sees a reset", async () => {
      const [near, far] = await ask(GET);
      await far.read(GET.length);
      await near.reset();
      assert.equal((await far.read()).ended, "reset");
    });

    test("a kept connection that dies under a request: GET goes to a new one", async () => {
      const [near, far] = await ask(GET);
      await far.read(GET.length);
      await far.write(OK);
      assert.equal((await near.read(OK.length)).text, OK);
      const accepted = listener.accept();
      await near.write(GET);
      assert.equal((await far.read(GET.length)).text, GET);
      await far.reset();
      const second = await accepted;
      assert.equal((await second.read(GET.length)).text, GET);
      await second.write(OK);
      assert.equal((await near.read(OK.length)).text, OK);
      await finish(near, second);
    });

    test("an idle connection that the server closed costs no request, POST neither", async () => {
      const post = "POST / HTTP/1.1\r\nHost: server\r\nContent-Length: 2\r\n\r\nhi";
      const [near, far] = await ask(GET);
      await far.read(GET.length);
      await far.write(OK);
      await near.read(OK.length);
      await far.end();
      assert.equal((await far.read()).ended, "fin");
      const accepted = listener.accept();
      await near.write(post);
      const second = await accepted;
      assert.equal((await second.read(post.length)).text, post);
      await second.write(OK);
      assert.equal((await near.read(OK.length)).text, OK);
      await finish(near, second);
    });

    test("what can't be sent twice rides on nobody else's connection, a GET does", async () => {
      const post = "POST / HTTP/1.1\r\nHost: server\r\nContent-Length: 2\r\n\r\nhi";
      const [first, far] = await ask(GET);
      await far.read(GET.length);
      await far.write(OK);
      await first.read(OK.length);
      await first.end();
      assert.equal((await first.read()).ended, "fin");
      const second = await client.connect(vip(family), 80);
      await second.write(GET);
      assert.equal((await far.read(GET.length)).text, GET);
      await far.write(OK);
      await second.read(OK.length);
      await second.end();
      const [third, own] = await ask(post);
      assert.equal((await own.read(post.length)).text, post);
      await own.write(OK);
      assert.equal((await third.read(OK.length)).text, OK);
      await finish(third, own);
      // Nobody's connection is left to its server for longer than a second.
      assert.equal((await far.read()).ended, "fin");
      await far.end();
    });

    test("HTTP/1.0 without and with keep-alive", async () => {
      const old = "GET / HTTP/1.0\r\nHost: server\r\n\r\n";
      const [near, far] = await ask(old);
      assert.match((await far.read(old.length)).text, /^GET \/ HTTP\/1\.0\r\n/);
      await far.write("HTTP/1.0 200 OK\r\n\r\nold");
      await far.end();
      const { text, ended } = await near.read();
      assert.match(text, /\r\n\r\nold$/);
      assert.equal(ended, "fin");
      await near.end();
      const kept = old.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n");
      const [left, right] = await ask(kept);
      for (let i = 0; i < 2; i++) {
        if (i > 0) await left.write(kept);
        assert.match((await right.read(kept.length)).text, /^GET /);
        const answer = `HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n${i}`;
        await right.write(answer);
        assert.equal((await left.read(answer.length)).text, answer);
      }
      await finish(left, right);
    });

    test("a head of 60,000 bytes and of 100 fields crosses whole", async () => {
      const fields = Array.from({ length: 100 }, (_, i) => `X-${i}: ${"v".repeat(590)}\r\n`);
      const request = `GET / HTTP/1.1\r\nHost: server\r\n${fields.join("")}\r\n`;
      const [near, far] = await ask(request);
      assert.equal((await far.read(request.length)).text, request);
      const answer = `HTTP/1.1 200 OK\r\n${fields.join("")}Content-Length: 0\r\n\r\n`;
      await far.write(answer);
      assert.equal((await near.read(answer.length)).text, answer);
      await finish(near, far);
    });
  });
}

function vip(family: number): string {
  const found = vips.find((address) => address.includes(":") === (family === 6));
  assert.ok(found);
  return found;
}
