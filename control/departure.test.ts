import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Departures } from "./departure.ts";
import { decodeManifest } from "./k8s/api/decode.ts";
import { Pipeline } from "./pipeline.ts";
import { AgentRegistry } from "./publish/agents.ts";
import { Publisher } from "./publish/publisher.ts";
import type { Change } from "./world.ts";

const name = { namespace: "nodemesh", name: "nodemesh-agent" };
const gone: Change = { kind: "delete", ref: { kind: "DaemonSet", ...name } };

function apply(manifest: object): Change {
  const [decoded] = decodeManifest(manifest);
  assert.ok(decoded?.kind === "object", JSON.stringify(decoded));
  return { kind: "apply", object: decoded.object };
}

const selector = { matchLabels: {} };
const template = { metadata: {}, spec: { containers: [] } };
const there = apply({
  ...{ apiVersion: "apps/v1", kind: "DaemonSet", metadata: name },
  spec: { selector, template },
});

/** An enrolled pod in a real pipeline, and a clock to turn. */
function rig(farewellMs: number) {
  const publisher = new Publisher("e1");
  const agents = new AgentRegistry(() => new Date());
  const pipeline = new Pipeline(publisher, () => {});
  const clock = { now: 0 };
  const now = (): number => clock.now;
  const departures = new Departures({ name, pipeline, publisher, agents, now, farewellMs });
  const annotations = { "mesh/enabled": "true", "mesh/fail": "closed" };
  pipeline.take([
    apply({
      ...{ apiVersion: "v1", kind: "Pod" },
      metadata: { name: "shop", namespace: "default", uid: "u1", annotations },
      spec: { nodeName: "n1", containers: [] },
      status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }] },
    }),
  ]);
  pipeline.start(() => []);
  const fail = (): string | undefined => publisher.snapshot.workloads.get("u1")?.enrolment?.fail;
  departures.take([there]);
  return { publisher, agents, pipeline, departures, clock, fail };
}

test("a DaemonSet that is away for five seconds takes the mesh along, a shorter time does nothing", () => {
  mock.timers.enable({ apis: ["setTimeout", "setImmediate"] });
  try {
    const { departures, clock, fail, pipeline } = rig(0);
    const pass = (ms: number): void => {
      clock.now += ms;
      mock.timers.tick(ms);
      pipeline.flush();
    };
    assert.equal(fail(), "closed");
    departures.take([gone]);
    pass(4999);
    assert.equal(fail(), "closed");
    departures.take([there]);
    pass(60_000);
    assert.equal(fail(), "closed");
    departures.take([gone]);
    pass(5000);
    assert.equal(fail(), undefined);
    departures.take([there]);
    pass(0);
    assert.equal(fail(), "closed");
    departures.take([gone]);
    departures[Symbol.dispose]();
    pass(5000);
    assert.equal(fail(), "closed");
  } finally {
    mock.timers.reset();
  }
});

test("control that ends while the DaemonSet is away lets everybody go and waits for the agents", async () => {
  const { departures, agents, publisher, fail } = rig(60_000);
  using _ = departures;
  const first = publisher.snapshot;
  for (const node of ["n1", "n2"]) {
    agents.connect(node);
    agents.acked(node, first);
  }
  const links = agents.connect("n3");
  departures.take([gone]);
  let waits = true;
  const farewell = departures.farewell().then(() => {
    waits = false;
  });
  assert.equal(fail(), undefined, "at once");
  const { epoch, version } = publisher.snapshot;
  assert.equal(version, first.version + 1);
  for (const step of [
    () => agents.acked("n1", { epoch, version }),
    () => agents.acked("n2", { epoch: "other", version }),
    () => agents.disconnect(links),
  ]) {
    step();
    await new Promise(setImmediate);
    assert.ok(waits);
  }
  agents.acked("n2", { epoch, version: version + 1 });
  await farewell;
});

test("control that ends waits for nobody when the agents stay, and not for ever for one that is silent", async () => {
  const { departures, agents, fail } = rig(5);
  using _ = departures;
  agents.connect("n1");
  await departures.farewell();
  assert.equal(fail(), "closed");
  departures.take([gone]);
  await departures.farewell();
  assert.equal(fail(), undefined);
});
