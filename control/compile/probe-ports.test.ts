import assert from "node:assert/strict";
import { test } from "node:test";
import { pod } from "../k8s/api/pod.ts";
import { probePortsOf } from "./probe-ports.ts";

function portsOf(...containers: readonly object[]): readonly number[] {
  const { spec } = pod.parse({
    kind: "Pod",
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: containers.map((one, i) => ({ name: `c${i}`, ...one })) },
  });
  return probePortsOf(spec);
}

test("each kind of probe and hook tells its port, by number or by name, once", () => {
  const ports = portsOf(
    {
      ports: [{ name: "health", containerPort: 9000 }],
      readinessProbe: { httpGet: { path: "/", port: "health" } },
      livenessProbe: { tcpSocket: { port: 8080 } },
      startupProbe: { grpc: { port: 7000 } },
    },
    {
      livenessProbe: { tcpSocket: { port: 8080 } },
      lifecycle: {
        preStop: { httpGet: { path: "/bye", port: 8081 } },
        postStart: { tcpSocket: { port: 8082 } },
      },
    },
  );
  assert.deepEqual(ports, [7000, 8080, 8081, 8082, 9000]);
});

test("commands and names that no port of the container has are no ports", () => {
  const named = { ports: [{ name: "health", containerPort: 9000 }] };
  const wrong = { readinessProbe: { httpGet: { port: "health" } } };
  assert.deepEqual(portsOf(named, wrong, { livenessProbe: { exec: { command: ["true"] } } }), []);
});

test("no more ports than the kernel has room for", () => {
  const many = Array.from({ length: 100 }, (_, i) => ({
    livenessProbe: { tcpSocket: { port: 1000 + i } },
  }));
  assert.equal(portsOf(...many).length, 64);
});
