/**
 * What the application, the metric and the access log are told when the mesh refuses: the same reason in all three.
 * IPv4 and IPv6, with time-outs short enough to wait for.
 */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import { OwnAgent } from "../support/own-agent.ts";
import type { PodListener, PodPeer, PodSocket } from "../support/pod-peer.ts";
import { until } from "../support/until.ts";

const MANIFESTS =
  idlePod("client", "node-1", { "mesh/enabled": "true" }) +
  // Not enrolled: what it says is heard by the client's agent itself.
  idlePod("server", "node-2") +
  serviceOf("server", { http: [80, "http"], shut: [81, "http"], bytes: [82, "tcp"] }) +
  serviceOf("nobody", { http: [80, "http"], bytes: [82, "tcp"] }) +
  // Addresses of the client's node that no pod has: nothing comes back from there.
  vacantService("IPv4", "10.244.1.200") +
  vacantService("IPv6", "fd00:10:244:1::c8");
const FLAGS = [
  ...["--access-log", "1"],
  ...["--head-timeout-ms", "300"],
  ...["--response-head-timeout-ms", "400"],
];
const GET = "GET / HTTP/1.1\r\nHost: server\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: server\r\nContent-Length: 2\r\n\r\nhi";

let lab: MeshLab;
let agent: OwnAgent;
let client: PodPeer;
let server: PodPeer;
let listener: PodListener;
let vips: ReadonlyMap<string, readonly string[]>;

before(async () => {
  lab = await MeshLab.start("refusals", MANIFESTS);
  const { services } = await lab.status();
  vips = new Map(services.map(({ name, clusterIPs }) => [name, clusterIPs]));
  agent = await OwnAgent.replace(lab, "node-1", FLAGS);
  client = lab.peer("client");
  server = lab.peer("server");
  listener = await server.listen(80);
});

after(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

interface Case {
  readonly reason: string;
  readonly status: number;
  readonly service?: "server" | "nobody" | "vacant";
  readonly port?: number;
  readonly request: string;
  /** What the server does once it has the connection. */
  readonly serve?: (far: PodSocket) => Promise<void>;
  /** The client's connection ends behind the answer. */
  readonly ends?: boolean;
}

const CASES: Readonly<Record<string, Case>> = {
  "two Host fields": {
    reason: "request-malformed",
    status: 400,
    request: GET.replace("\r\n\r\n", "\r\nHost: other\r\n\r\n"),
    ends: true,
  },
  "two lengths": {
    reason: "framing-ambiguous",
    status: 400,
    request: POST.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ends: true,
  },
  "a head of 140,000 bytes": {
    reason: "head-too-large",
    status: 431,
    request: GET.replace("\r\n\r\n", `\r\nX: ${"x".repeat(140_000)}\r\n\r\n`),
    ends: true,
  },
  "300 fields": {
    reason: "too-many-headers",
    status: 431,
    request: GET.replace("\r\n\r\n", `${"\r\nX: y".repeat(300)}\r\n\r\n`),
    ends: true,
  },
  "half a head": {
    reason: "head-timeout",
    status: 408,
    request: GET.slice(0, -2),
    ends: true,
  },
  "a server that answers garbage": {
    reason: "upstream-malformed",
    status: 502,
    request: GET,
    serve: (far) => far.write("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
  },
  "a server that resets": {
    reason: "upstream-reset",
    status: 502,
    request: POST,
    serve: (far) => far.reset(),
  },
  "a server that closes": {
    reason: "upstream-reset",
    status: 502,
    request: POST,
    serve: (far) => far.end(),
  },
  "a service without pods": {
    reason: "no-endpoints",
    status: 503,
    service: "nobody",
    request: GET,
  },
  "a port where nobody listens": {
    reason: "connect-refused",
    status: 503,
    port: 81,
    request: GET,
  },
  "an address that nobody has": {
    // The client's own kernel gives up after three seconds and says EHOSTUNREACH: so does the mesh.
    reason: "connect-failed",
    status: 503,
    service: "vacant",
    request: GET,
  },
  "a server that never answers": {
    reason: "request-timeout",
    status: 504,
    request: GET,
    serve: async (far) => {
      await far.read(GET.length);
    },
  },
};

for (const family of [4, 6] as const) {
  describe(`IPv${family}`, () => {
    for (const [name, one] of Object.entries(CASES)) {
      test(`${one.status} ${one.reason}: ${name}`, async () => {
        const { reason, status, service = "server", port = 80, request, serve, ends } = one;
        const counted = await refused(reason);
        const logged = agent.linesOf(reason).length;
        const near = await client.connect(address(service, family), port);
        const accepted = serve === undefined ? undefined : listener.accept();
        await near.write(request);
        const far = await accepted;
        if (far !== undefined) {
          await far.read(request.length);
          await serve?.(far);
        }
        const { text } = await near.read(1);
        checkAnswer(text, { status, reason, ends: ends ?? false });
        if (ends) assert.equal((await near.read()).ended, "fin");
        await near.reset();
        await until(`${reason} is logged`, () => agent.linesOf(reason).length > logged);
        const lines = agent.linesOf(reason).slice(logged);
        assert.deepEqual(
          lines.map(({ code, protocol }) => ({ code, protocol })),
          [{ code: status, protocol: "http/1.1" }],
        );
        assert.equal(await refused(reason), counted + 1);
      });
    }

    test("a refusal of HEAD has no body, and the connection takes the next request", async () => {
      const near = await client.connect(address("nobody", family), 80);
      await near.write(GET.replace("GET", "HEAD"));
      const head = (await near.read(1)).text;
      assert.match(head, /^HTTP\/1\.1 503 [\s\S]*x-nodemesh-reason: no-endpoints\r\n\r\n$/);
      await near.write(GET);
      checkAnswer((await near.read(1)).text, { status: 503, reason: "no-endpoints", ends: false });
      await near.reset();
    });

    test("an answer that is cut in its middle: a reset, logged with the code that had gone out", async () => {
      const counted = await refused("upstream-reset");
      const logged = agent.linesOf("upstream-reset").length;
      const near = await client.connect(address("server", family), 80);
      const accepted = listener.accept();
      await near.write(GET);
      const far = await accepted;
      await far.read(GET.length);
      await far.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
      assert.match((await near.read(1)).text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*half$/);
      await far.reset();
      assert.equal((await near.read()).ended, "reset");
      await until("it is logged", () => agent.linesOf("upstream-reset").length > logged);
      assert.equal(agent.linesOf("upstream-reset").at(-1)?.code, 200);
      assert.equal(await refused("upstream-reset"), counted + 1);
    });

    for (const [service, reason] of [
      ["nobody", "no-endpoints"],
      ["server", "connect-refused"],
    ] as const) {
      test(`bytes are refused by a reset, counted and logged: ${reason}`, async () => {
        const counted = await refused(reason);
        const logged = agent.linesOf(reason).length;
        assert.equal(await endOf(address(service, family), 82), "reset");
        await until("it is logged", () => agent.linesOf(reason).length > logged);
        assert.equal(agent.linesOf(reason).at(-1)?.protocol, "tcp");
        assert.equal(await refused(reason), counted + 1);
      });
    }
  });
}

test("the agent is still the one that was started", () => {
  assert.equal(agent.ended, false);
});

/** How a connection to that address ends; the reset may overtake what the client is told of its connect(). */
async function endOf(ip: string, port: number): Promise<string> {
  try {
    return (await (await client.connect(ip, port)).read()).ended;
  } catch (error) {
    assert.match(String(error), /ECONNRESET/);
    return "reset";
  }
}

function checkAnswer(
  text: string,
  { status, reason, ends }: { status: number; reason: string; ends: boolean },
): void {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const lines = head.split("\r\n");
  assert.match(lines[0] ?? "", new RegExp(`^HTTP/1\\.1 ${status} [A-Z]`));
  assert.ok(lines.includes(`x-nodemesh-reason: ${reason}`), head);
  assert.ok(lines.includes(`content-length: ${body.length}`), head);
  assert.equal(lines.includes("connection: close"), ends, head);
  assert.match(body, new RegExp(`^nodemesh: ${reason}: .{10,140}\n$`));
}

function address(service: "server" | "nobody" | "vacant", family: 4 | 6): string {
  const name = service === "vacant" ? `vacant-ipv${family}` : service;
  const found = vips.get(name)?.find((ip) => ip.includes(":") === (family === 6));
  assert.ok(found);
  return found;
}

/** A Service without a selector, with one endpoint that its manifest names. */
function vacantService(family: "IPv4" | "IPv6", ip: string): string {
  const name = `vacant-${family.toLowerCase()}`;
  const port = { name: "http", port: 80, appProtocol: "http" };
  return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { ipFamilies: [${family}], ports: [${JSON.stringify(port)}] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, labels: { kubernetes.io/service-name: ${name} } }
addressType: ${family}
ports: [${JSON.stringify(port)}]
endpoints: [{ addresses: ["${ip}"], conditions: { ready: true } }]
`;
}

/** The client's agent's refusals for a reason. */
async function refused(reason: string): Promise<number> {
  return (await lab.metrics("node-1"))
    .split("\n")
    .filter((line) => line.startsWith("nodemesh_refused_total{"))
    .filter((line) => line.includes(`reason="${reason}"`))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
