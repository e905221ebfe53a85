/** The real agent as an old one: control knows a kind that restricts, and the agent does not. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeDelta, FORMAT } from "#model/codec.ts";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import { encodeFrame } from "#model/frames.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import { SnapshotStore } from "../../agent/state/store.ts";
import { Publisher } from "../../control/publish/publisher.ts";
import { compiled, POLICIES, type Policy, WITH_POLICIES } from "../support/policy-kind.ts";
import { startAgent, startControl, Witness } from "./control-link.ts";

const PODS: readonly Workload[] = ["a", "b"].map((uid) => {
  const names = { name: uid, namespace: "shop", owner: uid, serviceAccount: "default", node: "n1" };
  return { uid, ...names, addresses: [], enrolment: DEFAULT_ENROLMENT, ports: [] };
});

function publish(publisher: Publisher, policies: readonly Policy[]): void {
  publisher.publish(compiled({ workloads: PODS, services: [], policies }));
}

function closedIn({ current }: SnapshotStore): readonly string[] {
  return [...current.workloads.values()].flatMap(({ uid, closed }) => (closed ? [uid] : []));
}

test("an agent that does not know what restricts a pod gets it closed, goes on, and gets it open again", async () => {
  const witness = new Witness();
  const publisher = new Publisher("e1", WITH_POLICIES);
  await using control = await startControl("e1", witness, 0, publisher);
  publish(publisher, [{ name: "p", denies: ["a"] }]);
  const deltas: SnapshotDelta[] = [];
  await using agent = startAgent(control.port, witness, {
    enforce: (_, delta) => {
      deltas.push(delta);
      return Promise.resolve();
    },
  });
  const enforced = (version: number): Promise<void> =>
    witness.until(`version ${version}`, () => control.agents.get("n1")?.acked?.version === version);
  await enforced(1);
  assert.deepEqual(closedIn(agent.store), ["a"]);
  publish(publisher, [{ name: "p", denies: ["b"] }]);
  await enforced(2);
  assert.deepEqual(closedIn(agent.store), ["b"]);
  publish(publisher, []);
  await enforced(3);
  assert.deepEqual(closedIn(agent.store), []);
  assert.deepEqual(control.agents.get("n1")?.nacks, []);
  assert.deepEqual(
    deltas.map(({ base }) => base),
    ["nothing", 1, 2],
  );
  assert.ok(deltas.every((delta) => !(POLICIES.upsert in delta)));
});

test("an agent that refuses what it can't read says so, instead of ignoring what restricts", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  const careless = new Publisher("e1", WITH_POLICIES);
  publish(careless, [{ name: "p", denies: ["a"] }]);
  const { publisher } = control;
  // A control that does not ask what its agents can read.
  const message = encodeDelta(careless.deltaSince(undefined), WITH_POLICIES);
  publisher.frameSince = () => encodeFrame(message);
  publisher.publish(compiled({ workloads: PODS, services: [], policies: [] }));
  await using agent = startAgent(control.port, witness);
  await witness.until("a refusal", () => agent.statuses.at(-1)?.kind === "lost");
  const [nack] = control.agents.get("n1")?.nacks ?? [];
  assert.deepEqual(nack?.field, "format");
  assert.match(nack?.problem ?? "", new RegExp(`from 1 to ${FORMAT}`));
  assert.equal(agent.store.current.epoch, "");
});

test("an agent that was told less in an earlier life asks for everything, once", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  const { publisher } = control;
  publisher.publish(compiled({ workloads: PODS, services: [], policies: [] }));
  const store = new SnapshotStore(Date.now);
  store.restore(publisher.snapshot);
  const bases: unknown[] = [];
  const enforce = (_: unknown, { base }: SnapshotDelta): Promise<void> => {
    bases.push(base);
    return Promise.resolve();
  };
  await using agent = startAgent(control.port, witness, { store, enforce, outdated: true });
  const synced = (): boolean => agent.statuses.at(-1)?.kind === "synced";
  await witness.until("everything", synced);
  publisher.publish(compiled({ workloads: [], services: [], policies: [] }));
  await witness.until("changes", () => bases.length === 2 && synced());
  assert.deepEqual(bases, ["nothing", 1]);
});
