import assert from "node:assert/strict";
import { test } from "node:test";
import { agentObjects } from "../../deploy/manifests/agent.ts";
import { controlObjects } from "../../deploy/manifests/control.ts";
import { parseOptions } from "../../deploy/manifests/options.ts";
import { apiOf } from "../../test/support/api-answers.ts";
import { field, listField } from "./cluster.ts";
import { askAgent, askControl, type MeshPod, meshPods, tagOf } from "./mesh-facts.ts";

const PODS = "/api/v1/namespaces/mesh/pods";
const OPTIONS = parseOptions({ namespace: "mesh", agent: { metricsPort: 9000 } });

/** The spec of the pods that an installed workload makes. */
function installedSpec(objects: readonly unknown[], kind: string): unknown {
  const workload = objects.find((one) => field(one, "kind") === kind);
  return { nodeName: "n1", ...Object(field(workload, "spec", "template", "spec")) };
}

const AGENT_SPEC = installedSpec(agentObjects(OPTIONS), "DaemonSet");

function pod(name: string, spec: unknown, phase = "Running"): object {
  return { metadata: { name }, spec, status: { phase } };
}

async function podsOf(...items: readonly object[]): Promise<readonly MeshPod[]> {
  return meshPods(apiOf({ [PODS]: { body: { items } } }), "mesh", "agent");
}

test("pages are asked for on the port that the installation names", async () => {
  const [agent, control] = await podsOf(
    pod("a", AGENT_SPEC),
    pod("c", installedSpec(controlObjects(OPTIONS), "Deployment")),
  );
  assert.ok(agent !== undefined && control !== undefined);
  const asked: string[] = [];
  await askAgent(apiOf({}, asked), "mesh", agent);
  await askControl(apiOf({}, asked), "mesh", control);
  assert.deepEqual(asked, [`${PODS}/a:9000/proxy/facts`, `${PODS}/c:15020/proxy/status`]);
});

test("pods that have ended are no part of the mesh any more", async () => {
  const phases = ["Failed", "Succeeded", "Pending", "Running", "Unknown"];
  const pods = await podsOf(...phases.map((phase) => pod(phase, AGENT_SPEC, phase)));
  assert.deepEqual(
    pods.map(({ name }) => name),
    ["Pending", "Running", "Unknown"],
  );
});

test("why there is no page is told apart", async () => {
  const [agent] = await podsOf(pod("a", AGENT_SPEC));
  assert.ok(agent !== undefined);
  const facts = `${PODS}/a:9000/proxy/facts`;
  const cases = [
    [{ kind: "refused", status: 403, problem: "may not" }, "forbidden"],
    [{ kind: "refused", status: 503, problem: "connection refused" }, "unreachable"],
    [{ kind: "away", problem: "timeout" }, "unreachable"],
    [{ body: { kernel: 5 } }, "another-version"],
  ] as const;
  for (const [answer, cause] of cases) {
    const page = await askAgent(apiOf({ [facts]: answer }), "mesh", agent);
    assert.equal(page.kind === "none" && page.cause, cause);
  }
  const [portless] = await podsOf(pod("a", { containers: [{ name: "agent" }] }));
  assert.ok(portless !== undefined && listField(AGENT_SPEC, "containers").length > 0);
  const page = await askAgent(apiOf({}), "mesh", portless);
  assert.equal(page.kind === "none" && page.problem, "has no port metrics");
});

function ended(message: string): object {
  return { state: { terminated: { message } } };
}

function restarting(message: string): object {
  const waiting = { reason: "CrashLoopBackOff", message: "back-off 10s restarting" };
  return { state: { waiting }, lastState: { terminated: { message } } };
}

test("why a container does not run is told in its last words, else in kubelet's", async () => {
  const line = JSON.stringify({ level: "error", message: "no sk_lookup", stack: "at x" });
  const pulling = { reason: "ErrImagePull", message: "no such host" };
  const cases: readonly (readonly [object, string])[] = [
    [{ state: { running: {} } }, ""],
    [restarting(`{"level":"info"}\n${line}\n`), "no sk_lookup"],
    [restarting(""), "CrashLoopBackOff: back-off 10s restarting"],
    [ended("Segmentation fault\n"), "Segmentation fault"],
    // How far it had got is not why it ended; a first line may be cut.
    [ended(`r","message":"cut"}\n{"level":"info","message":"control answered"}`), ""],
    [ended(`${line}\n{"level":"info","message":"control answered"}`), "no sk_lookup"],
    [{ state: { waiting: pulling } }, "ErrImagePull: no such host"],
  ];
  for (const [state, trouble] of cases) {
    const object = { ...pod("a", AGENT_SPEC), status: { containerStatuses: [state] } };
    assert.equal((await podsOf(object))[0]?.trouble, trouble);
  }
  const [container] = listField(AGENT_SPEC, "containers");
  assert.equal(field(container, "terminationMessagePolicy"), "FallbackToLogsOnError");
});

test("a registry's port is no tag", () => {
  assert.equal(tagOf("registry:5000/nodemesh/agent:0.1.0"), "0.1.0");
  assert.equal(tagOf("registry:5000/nodemesh/agent"), "latest");
  assert.equal(tagOf("nodemesh/agent@sha256:abc"), "sha256:abc");
  assert.equal(tagOf("registry:5000/nodemesh/agent:0.1.0@sha256:abc"), "0.1.0");
});
