/** Clocks of the API server, of control and of a node that differ, against the times in agents' tokens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf, Witness } from "./control-link.ts";
import { agentOf, HOUR_MS, lossOf, startLab, tokenOf } from "./control-tls-lab.ts";

const MINUTE_MS = 60_000;

for (const [name, skewMs] of [
  ["three hours behind", -3 * HOUR_MS],
  ["thirteen minutes behind", -13 * MINUTE_MS],
  ["the same as", 0],
  ["thirteen minutes ahead of", 13 * MINUTE_MS],
  ["three hours ahead of", 3 * HOUR_MS],
] as const)
  test(`control's clock is ${name} the API server's: a token counts as long as the API server would bear it`, async () => {
    const witness = new Witness();
    await using lab = await startLab(witness);
    lab.state.clock += skewMs;
    // As kubelet leaves it: 48 minutes old, about to be renewed.
    const token = tokenOf("old", lab.state.clock - skewMs - 48 * MINUTE_MS, HOUR_MS);
    lab.reviews.set(token, agentOf("n1"));
    await lab.write("token", token);
    await using agent = lab.agent();
    await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
    for (let version = 2; version <= 11; version++) {
      lab.publisher.publish(partsOf(["a", `b${version}`]));
      await witness.until("an ack", () => lab.agents.get("n1")?.acked?.version === version);
    }
    assert.deepEqual(lab.asked, [token], "one question, however many acks");
    lab.state.away = true;
    lab.state.elapsed += 11 * MINUTE_MS;
    await using second = lab.agent();
    await witness.until("synced again", () => second.statuses.at(-1)?.kind === "synced");
    assert.equal(lab.asked.length, 2);
    // Nobody can say whether it has ended, but no clock is needed to know that it must have.
    lab.state.elapsed += 49 * MINUTE_MS;
    assert.match(await lossOf(lab, witness), /^control answered 503: the token can't be checked/);
    lab.state.away = false;
    lab.reviews.delete(token);
    assert.match(await lossOf(lab, witness), /^control answered 401: the API server does not/);
  });

test("a node's clock is behind, so that its token is renewed too late: refused with the reason, and taken when it comes", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  const ended = tokenOf("ended", lab.state.clock - 2 * HOUR_MS, HOUR_MS);
  lab.reviews.set(ended, { authenticated: false, error: "service account token has expired" });
  await lab.write("token", ended);
  await using agent = lab.agent();
  await witness.until("the loss", () => agent.statuses.at(-1)?.kind === "lost");
  assert.match(
    lab.refusals[0] ?? "",
    /does not accept the token: service account token has expired/,
  );
  const renewed = tokenOf("renewed", lab.state.clock, HOUR_MS);
  lab.reviews.set(renewed, agentOf("n1"));
  await lab.write("token", renewed);
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
});
