/**
 * What applications in C do with sockets, each case first between pods without a mesh (so that the expectation
 * is proved) and then with either and both enrolled, on IPv4 and IPv6.
 */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  SO_LINGER,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  SOL_TCP,
} from "../../agent/kernel/socket-constants.ts";
import { type LibcPeer, POLLIN, POLLOUT, POLLPRI } from "../support/libc-peer.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";

const PORT = 7000;
const SHARED_PORT = 7003;
const FIRST_OF_MANY = 7100;
const MANY = 64;
const MSG_OOB = 0x1;
const MSG_PEEK = 0x2;
const MSG_NOSIGNAL = 0x4000;
const MSG_FASTOPEN = 0x20000000;
const SO_KEEPALIVE = 9;
const TCP_USER_TIMEOUT = 18;
const TCP_FASTOPEN_CONNECT = 30;
const FILE_BYTES = 64 << 20;

const ENROLLED = { "mesh/enabled": "true" };
const PORTS = { bytes: [PORT, "tcp"] } as const;
const MANIFESTS =
  idlePod("direct-client", "node-1") +
  idlePod("direct-server", "node-2") +
  idlePod("mesh-client", "node-1", ENROLLED) +
  idlePod("mesh-server", "node-2", ENROLLED) +
  serviceOf("direct-server", PORTS) +
  serviceOf("mesh-server", PORTS) +
  serviceOf("direct-client", PORTS) +
  serviceOf("mesh-client", PORTS);

interface Side {
  readonly client: LibcPeer;
  readonly server: LibcPeer;
  readonly listener: number;
  readonly pods: { readonly client: string; readonly server: string };
}

/** Who is enrolled: the first pair proves the expectation, the last has both agents on its way. */
const SIDES = [
  ["direct", "direct"],
  ["mesh", "direct"],
  ["direct", "mesh"],
  ["mesh", "mesh"],
] as const;

let lab: MeshLab;
let addresses: ReadonlyMap<string, readonly string[]>;
let peers: readonly LibcPeer[];
const sides = new Map<string, Side>();

before(async () => {
  lab = await MeshLab.start("sockets", MANIFESTS);
  const { pods, services } = await lab.status();
  addresses = new Map([
    ...pods.map((pod) => [`pod/${pod.name}`, pod.addresses] as const),
    ...services.map((service) => [`svc/${service.name}`, service.clusterIPs] as const),
  ]);
  const clients = { direct: lab.libc("direct-client"), mesh: lab.libc("mesh-client") };
  const servers = { direct: lab.libc("direct-server"), mesh: lab.libc("mesh-server") };
  const listeners = {
    direct: await servers.direct.listen(PORT),
    mesh: await servers.mesh.listen(PORT),
  };
  peers = [...Object.values(clients), ...Object.values(servers)];
  for (const [from, to] of SIDES) {
    const pods = { client: `${from}-client`, server: `${to}-server` };
    const side = { client: clients[from], server: servers[to], listener: listeners[to], pods };
    sides.set(`${from} to ${to}`, side);
  }
});

after(async () => {
  for (const peer of peers) await peer[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

function addressOf(name: string, family: number): string {
  const found = addresses.get(name)?.find((address) => address.includes(":") === (family === 6));
  assert.ok(found, `${name} has no IPv${family} address`);
  return found;
}

for (const [from, to] of SIDES) {
  for (const family of [4, 6]) {
    describe(`${from} client to ${to} server, IPv${family}`, () => {
      const any = family === 6 ? "::" : "0.0.0.0";
      let client: LibcPeer;
      let server: LibcPeer;
      let listener: number;
      let target: string;
      let pods: Side["pods"];

      before(() => {
        const side = sides.get(`${from} to ${to}`);
        assert.ok(side);
        ({ client, server, listener, pods } = side);
        target = addressOf(`svc/${pods.server}`, family);
      });

      async function pair(): Promise<readonly [near: number, far: number]> {
        return [await client.dial(target, PORT), await server.accept(listener)];
      }

      async function closeAll(near: number, far: number): Promise<void> {
        await client.close(near);
        await server.close(far);
      }

      test("MSG_PEEK leaves the bytes to be read", async () => {
        const [near, far] = await pair();
        await client.send(near, "look twice");
        assert.equal(await server.poll(far, POLLIN, 2_000), POLLIN);
        assert.deepEqual(await server.receive(far, MSG_PEEK), { text: "look twice" });
        assert.deepEqual(await server.receive(far), { text: "look twice" });
        await closeAll(near, far);
      });

      test("connect with TCP Fast Open delivers the early bytes", async () => {
        const early = await client.socket(target);
        const to = [target, PORT] as const;
        assert.equal(await client.sendTo(early, "early", MSG_FASTOPEN | MSG_NOSIGNAL, to), 5);
        const far = await server.accept(listener);
        assert.deepEqual(await server.receive(far), { text: "early" });
        await closeAll(early, far);
        const lazy = await client.socket(target);
        await client.option(lazy, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
        assert.equal(await client.connect(lazy, target, PORT), "");
        await client.send(lazy, "lazy");
        const second = await server.accept(listener);
        assert.deepEqual(await server.receive(second), { text: "lazy" });
        await closeAll(lazy, second);
      });

      test("a non-blocking connect is in progress, then writable, without an error", async () => {
        const near = await client.socket(target, SOCK_NONBLOCK);
        assert.equal(await client.connect(near, target, PORT), "EINPROGRESS");
        assert.equal(await client.poll(near, POLLOUT, 2_000), POLLOUT);
        assert.equal(await client.pendingError(near), "");
        assert.equal(await client.name("getpeername", near), `${target} ${PORT}`);
        const far = await server.accept(listener);
        await server.send(far, "go");
        assert.equal(await client.poll(near, POLLIN, 2_000), POLLIN);
        assert.deepEqual(await client.receive(near), { text: "go" });
        assert.deepEqual(await client.receive(near), { ended: "EAGAIN" });
        await closeAll(near, far);
      });

      test("a side that closes with unread bytes resets the other", async () => {
        const [near, far] = await pair();
        await client.send(near, "never read");
        await server.poll(far, POLLIN, 2_000);
        await server.close(far);
        await client.poll(near, POLLIN, 2_000);
        assert.deepEqual(await client.receive(near), { ended: "ECONNRESET" });
        await client.close(near);
        const [left, right] = await pair();
        await server.send(right, "never read");
        await client.poll(left, POLLIN, 2_000);
        await client.close(left);
        await server.poll(right, POLLIN, 2_000);
        assert.deepEqual(await server.receive(right), { ended: "ECONNRESET" });
        await server.close(right);
      });

      test("SO_LINGER 0: what was delivered before the reset can be read", async () => {
        const [near, far] = await pair();
        await server.option(far, SOL_SOCKET, SO_LINGER, 1, 0);
        await server.send(far, "last words");
        await client.poll(near, POLLIN, 2_000);
        await server.close(far);
        assert.deepEqual(await client.receive(near), { text: "last words" });
        assert.deepEqual(await client.receive(near), { ended: "ECONNRESET" });
        await client.close(near);
      });

      test("a fixed source port is kept, and can be used again at once", async () => {
        const local = `${addressOf(`pod/${pods.client}`, family)} 5555`;
        for (let round = 0; round < 3; round++) {
          const near = await client.socket(target);
          await client.option(near, SOL_SOCKET, SO_REUSEADDR, 1);
          await client.bind(near, any, 5555);
          assert.equal(await client.connect(near, target, PORT), "");
          assert.equal(await client.name("getsockname", near), local);
          const far = await server.accept(listener);
          const [address] = (await server.name("getpeername", far)).split(" ");
          assert.equal(address, local.split(" ")[0]);
          // The server closes first: the client's port keeps no TIME_WAIT.
          await server.close(far);
          assert.deepEqual(await client.receive(near), { ended: "fin" });
          await client.close(near);
        }
      });

      test("servers that share a port by SO_REUSEPORT all get connections", async () => {
        const shared = [
          await server.listen(SHARED_PORT, "::", SO_REUSEPORT),
          await server.listen(SHARED_PORT, "::", SO_REUSEPORT),
        ];
        const ip = addressOf(`pod/${pods.server}`, family);
        const got = [0, 0];
        for (let i = 0; i < 24; i++) {
          const near = await client.dial(ip, SHARED_PORT);
          await client.send(near, "x");
          const far = await acceptEither(server, shared, got);
          assert.deepEqual(await server.receive(far), { text: "x" });
          await closeAll(near, far);
        }
        assert.ok(Math.min(...got) > 0, `spread: ${got}`);
        for (const fd of shared) await server.close(fd);
      });

      test(`${MANY} listeners in one pod are all reached`, async () => {
        const ip = addressOf(`pod/${pods.server}`, family);
        const fds: number[] = [];
        for (let i = 0; i < MANY; i++) fds.push(await server.listen(FIRST_OF_MANY + i, ip));
        for (const [i, fd] of fds.entries()) {
          const near = await client.dial(ip, FIRST_OF_MANY + i);
          await client.send(near, `port ${i}`);
          const far = await server.accept(fd);
          assert.equal(await server.name("getsockname", far), `${ip} ${FIRST_OF_MANY + i}`);
          assert.deepEqual(await server.receive(far), { text: `port ${i}` });
          await closeAll(near, far);
          await server.close(fd);
        }
      });

      test("a pod reaches itself through its own Service", async () => {
        const own = await client.listen(PORT);
        const vip = addressOf(`svc/${pods.client}`, family);
        const near = await client.dial(vip, PORT);
        const far = await client.accept(own);
        await client.send(near, "to myself");
        assert.deepEqual(await client.receive(far), { text: "to myself" });
        const ip = addressOf(`pod/${pods.client}`, family);
        assert.equal((await client.name("getpeername", far)).split(" ")[0], ip);
        assert.equal(await client.name("getpeername", near), `${vip} ${PORT}`);
        for (const fd of [near, far, own]) await client.close(fd);
      });

      test("a pod listens on the port number that it is connected to elsewhere", async () => {
        const [near, far] = await pair();
        const own = await client.listen(PORT);
        await client.close(own);
        await client.send(near, "still here");
        assert.deepEqual(await server.receive(far), { text: "still here" });
        await closeAll(near, far);
      });

      test("TCP_USER_TIMEOUT and keep-alive options are taken and hurt nothing", async () => {
        const [near, far] = await pair();
        await client.option(near, SOL_TCP, TCP_USER_TIMEOUT, 500);
        await client.option(near, SOL_SOCKET, SO_KEEPALIVE, 1);
        for (let i = 0; i < 3; i++) {
          await client.send(near, `turn ${i}`);
          assert.deepEqual(await server.receive(far), { text: `turn ${i}` });
          await server.send(far, "yes");
          assert.deepEqual(await client.receive(near), { text: "yes" });
        }
        await closeAll(near, far);
      });

      test("64 MB by sendfile(2) into splice(2), both ways, arrive unchanged", async () => {
        const [near, far] = await pair();
        await withFiles(async ({ source, sha256, copy }) => {
          for (const [from, to] of [
            [
              { peer: client, fd: near },
              { peer: server, fd: far },
            ],
            [
              { peer: server, fd: far },
              { peer: client, fd: near },
            ],
          ] as const) {
            const file = await from.peer.open(source, constants.O_RDONLY);
            const into = await to.peer.open(
              copy,
              constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
            );
            const moving = to.peer.spliceToFile(to.fd, into);
            await from.peer.sendFile(from.fd, file, FILE_BYTES);
            await from.peer.call("shutdown", from.fd, 1);
            assert.equal(await moving, FILE_BYTES);
            assert.equal(
              createHash("sha256")
                .update(await readFile(copy))
                .digest("hex"),
              sha256,
            );
            await from.peer.close(file);
            await to.peer.close(into);
          }
        });
        await closeAll(near, far);
      });
    });
  }
}

for (const family of [4, 6]) {
  // The one difference of the byte stream: TCP's urgent pointer does not cross a proxy (RFC 6093 advises against it).
  test(`urgent bytes arrive in the stream, none lost (IPv${family})`, async () => {
    const side = sides.get("mesh to mesh");
    assert.ok(side);
    const { client, server, listener } = side;
    const near = await client.dial(addressOf("svc/mesh-server", family), PORT);
    const far = await server.accept(listener);
    await client.send(near, "ab");
    await client.send(near, "!", MSG_OOB);
    await client.send(near, "cd");
    await client.call("shutdown", near, 1);
    let text = "";
    for (;;) {
      const piece = await server.receive(far);
      if ("ended" in piece) {
        assert.equal(piece.ended, "fin");
        break;
      }
      text += piece.text;
    }
    assert.equal(text, "ab!cd");
    assert.equal((await server.poll(far, POLLPRI, 0)) & POLLPRI, 0);
    await client.close(near);
    await server.close(far);
  });

  test(`where unmeshed connect() fails, meshed it succeeds and the reset follows (IPv${family})`, async () => {
    const refusals = await Promise.all(
      ["direct", "mesh"].map(async (kind) => {
        const client = sides.get(`${kind} to ${kind}`)?.client;
        assert.ok(client);
        const ip = addressOf(`pod/${kind}-server`, family);
        const fd = await client.socket(ip);
        const started = performance.now();
        const seen = [await client.connect(fd, ip, 7999)];
        if (seen[0] === "") seen.push(...Object.values(await client.receive(fd)));
        await client.close(fd);
        assert.ok(performance.now() - started < 1_000, "a closed port took too long to say so");
        return seen;
      }),
    );
    assert.deepEqual(refusals, [["ECONNREFUSED"], ["", "ECONNRESET"]]);
  });
}

/** A connection of whichever listener has one; counts which. */
async function acceptEither(
  peer: LibcPeer,
  listeners: readonly number[],
  got: number[],
): Promise<number> {
  const deadline = performance.now() + 5_000;
  while (performance.now() < deadline) {
    for (const [i, listener] of listeners.entries()) {
      if ((await peer.poll(listener, POLLIN, 5)) === 0) continue;
      got[i] = (got[i] ?? 0) + 1;
      return peer.accept(listener);
    }
  }
  throw new Error("no connection came");
}

async function withFiles(
  use: (files: { source: string; sha256: string; copy: string }) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-files-"));
  try {
    const bytes = randomBytes(FILE_BYTES);
    const source = join(directory, "source");
    await writeFile(source, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await use({ source, sha256, copy: join(directory, "copy") });
  } finally {
    await rm(directory, { recursive: true });
  }
}
