/** Debian's curl, wrk, nginx and busybox in pods: meshed they see and do exactly what they do unmeshed. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  CURL_CASES,
  curlScript,
  LARGE_BYTES,
  nginxConfig,
  outcome,
} from "../support/curl-cases.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";

const SAMPLE: URL = new URL("../../deploy/samples/nginx.yaml", import.meta.url);
const BUSYBOX = "/bin/busybox";
const WRK = ["wrk", "-t", "1", "-c", "16", "-d", "1s"];

let lab: MeshLab;
let directory: string;
let site: Readonly<Record<4 | 6, string>>;
/** By address family: what each case gave without a mesh. */
const direct = new Map<number, readonly string[]>();
let directWrk: Wrk;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "nodemesh-debian-"));
  await chmod(directory, 0o755);
  await mkdir(join(directory, "www"));
  const large = randomBytes(LARGE_BYTES);
  const text = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join("");
  await writeFile(join(directory, "large"), large);
  await writeFile(join(directory, "text"), text);
  await writeFile(join(directory, "www", "large.bin"), large);
  await writeFile(join(directory, "www", "text.txt"), text);
  await writeFile(join(directory, "www", "index.html"), "<p>hello\n");
  await writeFile(join(directory, "nginx.conf"), nginxConfig(directory));
  const manifests = [
    nginxPod(directory),
    serviceOf("site", { http: [80, ""], second: [8082, ""] }),
    idlePod("user", "node-1"),
    await readFile(SAMPLE, "utf8"),
  ];
  lab = await MeshLab.start("debian", manifests.join("\n---\n"));
  const { services } = await lab.status();
  const vips = services.find(({ name }) => name === "site")?.clusterIPs ?? [];
  const [four, six] = [vips.find((ip) => !ip.includes(":")), vips.find((ip) => ip.includes(":"))];
  assert.ok(four && six);
  site = { 4: four, 6: `[${six}]` };
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

for (const family of [4, 6] as const) {
  test(`curl without a mesh, IPv${family}`, async () => {
    const outcomes = await runCurl(site[family]);
    direct.set(family, outcomes);
    assert.match(outcomes[0] ?? "", /^HTTP\/1.1 200 OK[\s\S]*exit 0/);
    assert.match(outcomes.at(-1) ?? "", /^HTTP\/2 200[\s\S]*exit 0/);
  });
}

test("wrk without a mesh", async () => {
  directWrk = await runWrk("client", "http://web/");
});

test("all of them are enrolled while they run", async () => {
  await lab.enrol("user", "site", "client");
  await lab.sim("annotate", "pod", "-l", "app=web", "mesh/enabled=true");
  await lab.sim("wait");
  const { pods } = await lab.status();
  assert.deepEqual(
    pods.filter(({ enrolled }) => !enrolled).map(({ name }) => name),
    [],
  );
});

for (const family of [4, 6] as const) {
  describe(`meshed as unmeshed, IPv${family}`, () => {
    let meshed: readonly string[];

    before(async () => {
      const caught = [await lab.kernel("node-1", "turned-caught"), await inbound()];
      meshed = await runCurl(site[family]);
      assert.ok((await lab.kernel("node-1", "turned-caught")) >= (caught[0] ?? 0) + 50);
      assert.ok((await inbound()) > (caught[1] ?? 0), "the server's agent caught nothing");
    });

    for (const [index, [name]] of CURL_CASES.entries()) {
      test(`curl: ${name}`, () => {
        assert.equal(meshed[index], direct.get(family)?.[index]);
      });
    }
  });
}

test("wrk meshed: no error, and agent and server counted what it counted", async () => {
  const before = await requestsOf("node-1", "default/web");
  const seen = await runWrk("client", "http://web/");
  const counted = (await requestsOf("node-1", "default/web")) - before;
  assert.equal(seen.errors, "");
  // Connections that wrk drops at its end may have had a request under way.
  assert.ok(
    counted >= seen.requests && counted <= seen.requests + 64,
    `${counted} ${seen.requests}`,
  );
  assert.ok(seen.requests > directWrk.requests / 20, `${seen.requests} of ${directWrk.requests}`);
});

test("wrk against a server of another node, through both agents", async () => {
  const handled = async (): Promise<number> => {
    const { stdout } = await lab.exec("site", "curl", "-s", "http://127.0.0.1/status");
    return Number(stdout.split("\n")[2]?.trim().split(" ")[2]);
  };
  const before = await handled();
  const seen = await runWrk("user", "http://site/echo");
  const counted = (await handled()) - before;
  assert.equal(seen.errors, "");
  assert.ok(
    counted >= seen.requests && counted <= seen.requests + 64,
    `${counted} ${seen.requests}`,
  );
});

describe("a static binary in enrolled pods", () => {
  test("it is static: no loader is named in it", async () => {
    const { stdout } = await lab.exec(
      "user",
      BUSYBOX,
      "od",
      "-A",
      "n",
      "-t",
      "x1",
      "-N",
      "4",
      BUSYBOX,
    );
    assert.equal(stdout.trim(), "7f 45 4c 46");
    assert.ok(!hasInterpreter(await readFile(BUSYBOX)), "Debian's busybox-static is needed");
  });

  for (const family of [4, 6] as const) {
    test(`its wget fetches, and goes through the agents (IPv${family})`, async () => {
      const before = await requestsOf("node-1", "default/site");
      const { code, stdout } = await lab.exec(
        "user",
        BUSYBOX,
        "wget",
        "-q",
        "-O",
        "-",
        `http://${site[family]}/text.txt`,
      );
      assert.equal(code, 0);
      assert.equal(stdout, await readFile(join(directory, "text"), "utf8"));
      assert.equal((await requestsOf("node-1", "default/site")) - before, 1);
    });

    test(`its nc half-closes and still reads the whole answer (IPv${family})`, async () => {
      const [host, request] = [
        site[family].replace(/[[\]]/g, ""),
        "GET /text.txt HTTP/1.1\\r\\nHost: site\\r\\n\\r\\n",
      ];
      const { code, stdout } = await lab.exec(
        "user",
        BUSYBOX,
        "sh",
        "-c",
        `printf '${request}' | ${BUSYBOX} nc ${host} 80`,
      );
      assert.equal(code, 0);
      assert.ok(stdout.startsWith("HTTP/1.1 200 OK\r\n"));
      assert.ok(stdout.endsWith("line 19999\n"), stdout.slice(-40));
    });
  }
});

function nginxPod(directory: string): string {
  const command = ["nginx", "-c", `${directory}/nginx.conf`, "-g", "daemon off;"];
  return `
apiVersion: v1
kind: Pod
metadata: { name: site, labels: { app: site } }
spec:
  nodeName: node-2
  containers:
    - { name: nginx, image: nginx, command: ${JSON.stringify(command)}, ports: [{ containerPort: 80 }] }
`;
}

/** Runs every case in the user's pod; the outcomes in order. */
async function runCurl(host: string): Promise<readonly string[]> {
  await rm(join(directory, "www", "dav"), { recursive: true, force: true });
  await mkdir(join(directory, "www", "dav"));
  const script = join(directory, "script.sh");
  await writeFile(script, curlScript(directory, host));
  const { code, stderr } = await lab.exec("user", "sh", script);
  assert.equal(code, 0, stderr);
  return Promise.all(CURL_CASES.map((_, index) => outcome(directory, index)));
}

interface Wrk {
  readonly requests: number;
  /** wrk's lines about errors; empty when there were none. */
  readonly errors: string;
}

async function runWrk(pod: string, url: string): Promise<Wrk> {
  const { code, stdout } = await lab.exec(pod, ...WRK, url);
  assert.equal(code, 0, stdout);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  assert.ok(requests > 100, stdout);
  const errors = stdout.split("\n").filter((line) => /Socket errors|Non-2xx/.test(line));
  return { requests, errors: errors.join() };
}

function inbound(): Promise<number> {
  return lab.kernel("node-2", "inbound-caught");
}

/** Requests that the node's agent counted as the client's side, for a Service. */
async function requestsOf(node: string, service: string): Promise<number> {
  return (await lab.metrics(node))
    .split("\n")
    .filter((line) => line.startsWith("nodemesh_http_requests_total{"))
    .filter((line) => line.includes('reporter="source"') && line.includes(`"${service}"`))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Whether a 64-bit ELF file asks for a dynamic loader (program header PT_INTERP, elf(5)). */
function hasInterpreter(elf: Buffer): boolean {
  const [at, size, count] = [
    Number(elf.readBigUInt64LE(32)),
    elf.readUInt16LE(54),
    elf.readUInt16LE(56),
  ];
  return Array.from({ length: count }, (_, i) => elf.readUInt32LE(at + i * size)).includes(3);
}
