import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { formatAddress, unmapAddress } from "#model/address.ts";
import { errnoName } from "./errno.ts";
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES } from "./sockaddr.ts";
import { Sockets } from "./sockets.ts";

test("an address survives the kernel's structure, in canonical form", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(bytes, fc.nat(65_535), (ip, port) => {
      const memory = new Uint8Array(SOCKADDR_BYTES).fill(0xaa);
      const address = { ip: formatAddress(ip), port };
      const length = encodeSockaddr(address, memory);
      assert.equal(length, ip.length === 4 ? 16 : 28);
      const canonical = { ip: formatAddress(unmapAddress(ip)), port };
      assert.deepEqual(decodeSockaddr(memory), canonical);
    }),
  );
});

test("what is no address is refused before the kernel sees it", () => {
  const sockets = new Sockets();
  const fd = sockets.socket("127.0.0.1", -1);
  for (const ip of ["", "localhost", "1.2.3", "1.2.3.4.5", "::g", "fe80::1%lo"])
    assert.equal(errnoName(sockets.connect(fd, { ip, port: 1 })), "EINVAL");
  sockets.close(fd);
  assert.equal(sockets.localAddress(fd), -9);
});

test("an option that is set is the option that is read", () => {
  const sockets = new Sockets();
  const fd = sockets.socket("::1", -1);
  assert.equal(sockets.setOption(fd, 1, 2, 1), 0);
  assert.equal(sockets.getOption(fd, 1, 2), 1);
  assert.equal(errnoName(sockets.getOption(fd, 1, 9999)), "ENOPROTOOPT");
  sockets.close(fd);
});

test("a thread that cannot come back from a namespace ends the process", () => {
  const source = `
    import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
    const { Sockets } = await import("${new URL("./sockets.ts", import.meta.url).href}");
    const namespaces = () => readdirSync("/proc/self/fd").filter((fd) => {
      try { return readlinkSync("/proc/self/fd/" + fd).startsWith("net:"); } catch { return false; }
    });
    const netns = openSync("/proc/self/ns/net", "r");
    const sockets = new Sockets();
    if (sockets.socket("127.0.0.1", netns) < 0) process.exit(3);
    for (const fd of namespaces()) if (Number(fd) !== netns) closeSync(Number(fd));
    sockets.socket("127.0.0.1", netns);
    console.log("still here");`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8",
  });
  assert.equal(child.stdout, "");
  assert.equal(child.signal, "SIGABRT", child.stderr);
});
