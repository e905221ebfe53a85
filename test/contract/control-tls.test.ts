/** Agents and control over real TLS sockets; only the API server's word on tokens is a stand-in, to be wrong at will. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { connect as connectHttp2, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect as connectSocket } from "node:net";
import { test } from "node:test";
import { connect as connectRaw } from "node:tls";
import type { TlsControl } from "../../agent/state/session.ts";
import { makeAuthority, readAuthority } from "../../control/tls/authority.ts";
import { startServing } from "../../control/tls/serving.ts";
import { partsOf, Witness } from "./control-link.ts";
import {
  agentOf,
  HOUR_MS,
  lossOf,
  SERVER_NAME,
  startLab,
  type TlsLab,
  tokenOf,
} from "./control-tls-lab.ts";

test("an agent with its node's token follows over TLS", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  await using agent = lab.agent();
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  await witness.until("ack of 1", () => lab.agents.get("n1")?.acked?.version === 1);
  assert.deepEqual(lab.refusals, []);
});

test("every token but the right one is refused, and the agent is told why", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  const other = { username: "system:serviceaccount:shop:user", extra: {} };
  const unbound = { username: "system:serviceaccount:nodemesh:nodemesh-agent", extra: {} };
  lab.reviews.set("node-2", agentOf("n2"));
  lab.reviews.set("audience", agentOf("n1", { audiences: ["https://kubernetes.default.svc"] }));
  lab.reviews.set("said", { authenticated: false, error: "token audiences [x] is invalid" });
  lab.reviews.set("account", agentOf("n1", { user: other }));
  lab.reviews.set("unbound", agentOf("n1", { user: unbound }));
  const expected = {
    unknown: /^control answered 401: the API server does not accept the token$/,
    audience: /^control answered 401: the token is for https:.*, not for nodemesh-control$/,
    said: /^control answered 401: the token is for x, not for nodemesh-control$/,
    account: /^control answered 403: the token is system:serviceaccount:shop:user's, agents are/,
    unbound: /^control answered 403: the token is bound to no pod/,
    "node-2": /^control answered 403: the token is for node n2, not for n1$/,
  };
  for (const [token, problem] of Object.entries(expected)) {
    await lab.write("token", token);
    assert.match(await lossOf(lab, witness), problem);
  }
  assert.equal(lab.agents.get("n1"), undefined);
});

test("an ack for another node is refused", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  await using agent = lab.agent();
  await witness.until("ack of 1", () => lab.agents.get("n1")?.acked?.version === 1);
  lab.reviews.set("agent-2", agentOf("n2"));
  await lab.write("token", "agent-2");
  lab.publisher.publish(partsOf(["a", "b"]));
  await witness.until("loss", () => agent.statuses.at(-1)?.kind === "lost");
  assert.match(lab.refusals[0] ?? "", /for node n2, not for n1/);
  assert.equal(lab.agents.get("n1")?.acked?.version, 1);
});

test("no token, no stream", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  await lab.write("token", "");
  assert.match(await lossOf(lab, witness), /token: holds no token; it must be a projected/);
  assert.match(
    await lossOf(lab, witness, { tokenFile: "/nowhere/token" }),
    /can't read this agent's token: ENOENT.*; see the volume/,
  );
  const { caFile, port } = lab.control;
  const ca = await readFile(caFile);
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, servername: SERVER_NAME });
  const stream = session.request({ ":path": "/v1/snapshots?node=n1" });
  const { promise, resolve } = Promise.withResolvers<number>();
  stream.once("response", (headers) => resolve(Number(headers[":status"])));
  assert.equal(await promise, 401);
  session.destroy();
});

test("only the mesh's CA is believed, and only for control's name", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  assert.match(
    await lossOf(lab, witness, { serverName: "other.nodemesh.svc" }),
    /^control's certificate is for another name \(ERR_TLS_CERT_ALTNAME_INVALID, .*\): check --control-name/,
  );
  const good = await readFile(lab.control.caFile, "utf8");
  const stranger = makeAuthority(Date.now()).certificate;
  await lab.write("ca.crt", stranger);
  assert.match(await lossOf(lab, witness), /^control's certificate is not signed by the mesh's CA/);
  await lab.write("ca.crt", "");
  assert.match(await lossOf(lab, witness), /ca\.crt: holds no certificate/);
  // Both roots, as while the CA is being changed; read again at the next connect.
  await lab.write("ca.crt", stranger + good);
  await using agent = lab.agent();
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
});

/** A server with the certificate of a control whose clock says `now`; its port, and its CA where agents look. */
async function servingAt(lab: TlsLab, now: number, stack: AsyncDisposableStack): Promise<number> {
  const texts = makeAuthority(now);
  const serving = startServing({
    authority: readAuthority(texts, now),
    newest: (inUse) => Promise.resolve(inUse),
    dnsNames: [SERVER_NAME],
    now: () => now,
  });
  stack.use(serving);
  stack.defer(() => {
    serving.server.close();
  });
  // What counts is whether the handshake was taken.
  serving.server.on("stream", (stream: ServerHttp2Stream) => {
    stream.respond({ ":status": 404 });
    stream.end("reached");
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  serving.server.listen(0, "127.0.0.1", resolve);
  await promise;
  await lab.write("ca.crt", texts.certificate);
  return (serving.server.address() as AddressInfo).port;
}

for (const [name, offsetMs, loss] of [
  [
    "three days behind",
    -72 * HOUR_MS,
    /^control's certificate has expired \(CERT_HAS_EXPIRED, .*\): compare this node's clock/,
  ],
  ["23 hours behind", -23 * HOUR_MS, /answered 404: reached/],
  ["59 minutes ahead", 59 * 60_000, /answered 404: reached/],
  [
    "61 minutes ahead",
    61 * 60_000,
    /^control's certificate is not valid yet \(CERT_NOT_YET_VALID, .*\): compare this node's clock/,
  ],
] as const)
  test(`control's clock is ${name} of the node's: ${offsetMs < HOUR_MS && offsetMs > -24 * HOUR_MS ? "its certificate is believed" : "the agent says so"}`, async () => {
    const witness = new Witness();
    await using lab = await startLab(witness);
    await using stack = new AsyncDisposableStack();
    const port = await servingAt(lab, lab.state.clock + offsetMs, stack);
    assert.match(await lossOf(lab, witness, { port }), loss);
  });

test("a renewed certificate is shown to new connections while old ones go on", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  await using agent = lab.agent();
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  const before = await serialShown(lab.control);
  assert.equal(await serialShown(lab.control), before);
  // Two thirds of the certificate's day.
  lab.state.clock += 16 * HOUR_MS;
  await witness.until("a renewal", () => lab.renewals.length > 0);
  assert.notEqual(await serialShown(lab.control), before);
  lab.publisher.publish(partsOf(["a", "b"], lab.publisher.snapshot));
  await witness.until("version 2", () => lab.agents.get("n1")?.acked?.version === 2);
  assert.equal(agent.statuses.filter(({ kind }) => kind === "lost").length, 0);
});

/** The serial number of the certificate that a new connection sees. */
async function serialShown({ port }: TlsControl): Promise<string> {
  const socket = connectRaw({ port, host: "127.0.0.1", rejectUnauthorized: false });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("secureConnect", resolve);
  socket.once("error", reject);
  await promise;
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test("TLS below 1.3, cleartext and half a handshake leave the server well, and don't hold up its end", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  const { port } = lab.control;
  const old = connectRaw({ port, host: "127.0.0.1", maxVersion: "TLSv1.2" });
  const refused = Promise.withResolvers<string>();
  old.once("error", (error: NodeJS.ErrnoException) => refused.resolve(error.code ?? ""));
  assert.equal(await refused.promise, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  const clear = connectHttp2(`http://127.0.0.1:${port}`);
  const closed = Promise.withResolvers<void>();
  clear.once("error", () => {});
  clear.once("close", () => closed.resolve());
  await closed.promise;
  const silent = connectSocket(port, "127.0.0.1");
  const cut = Promise.withResolvers<void>();
  silent.once("close", () => cut.resolve());
  silent.once("error", () => {});
  silent.resume();
  {
    await using agent = lab.agent();
    await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  }
  await lab[Symbol.asyncDispose]();
  await cut.promise;
});

test("a session that nobody admits is cut, one that was admitted is not", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  await using agent = lab.agent();
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  const ca = await readFile(lab.control.caFile);
  const url = `https://127.0.0.1:${lab.control.port}`;
  const stranger = connectHttp2(url, { ca, servername: SERVER_NAME });
  const closed = Promise.withResolvers<void>();
  stranger.once("close", () => closed.resolve());
  stranger.once("error", () => {});
  await closed.promise;
  lab.publisher.publish(partsOf(["a", "b"], lab.publisher.snapshot));
  await witness.until("ack of 2", () => lab.agents.get("n1")?.acked?.version === 2);
  assert.equal(agent.statuses.filter(({ kind }) => kind === "lost").length, 0);
});

test("with the API server away a known token goes on, a new one has to wait", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  await using first = lab.agent();
  await witness.until("synced", () => first.statuses.at(-1)?.kind === "synced");
  lab.state.away = true;
  await using again = lab.agent();
  await witness.until("synced again", () => again.statuses.at(-1)?.kind === "synced");
  await lab.write("token", "agent-new");
  assert.match(
    await lossOf(lab, witness),
    /^control answered 503: the token can't be checked now: the API server does not answer$/,
  );
});

test("a stream ends with its token when no other is shown, and the agent comes back with the one it has then", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  const short = tokenOf("short", lab.state.clock, 1000);
  lab.reviews.set(short, agentOf("n1"));
  await lab.write("token", short);
  await using agent = lab.agent();
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  // As after the pod's deletion: the API server knows the token no more.
  lab.reviews.delete(short);
  lab.state.elapsed += 1000;
  await witness.until("the loss", () => agent.statuses.at(-1)?.kind === "lost");
  assert.match(lab.refusals[0] ?? "", /does not accept the token/);
  await lab.write("token", "agent-1");
  await witness.until("synced again", () => agent.statuses.at(-1)?.kind === "synced");
});

test("a renewed token that came with an ack keeps the stream open", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  const short = tokenOf("short", lab.state.clock, 1000);
  lab.reviews.set(short, agentOf("n1"));
  await lab.write("token", short);
  await using agent = lab.agent();
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  const renewed = tokenOf("renewed", lab.state.clock, 2000);
  lab.reviews.set(renewed, agentOf("n1"));
  await lab.write("token", renewed);
  lab.publisher.publish(partsOf(["a", "b"], lab.publisher.snapshot));
  await witness.until("ack of 2", () => lab.agents.get("n1")?.acked?.version === 2);
  lab.reviews.delete(short);
  lab.state.elapsed += 10 * 60_000;
  const asked = lab.asked.length;
  await witness.until("a new question", () => lab.asked.length > asked);
  assert.equal(lab.asked.at(-1), renewed);
  lab.publisher.publish(partsOf(["a"], lab.publisher.snapshot));
  await witness.until("ack of 3", () => lab.agents.get("n1")?.acked?.version === 3);
  assert.equal(agent.statuses.filter(({ kind }) => kind === "lost").length, 0);
});

test("a renewed token is shown in a quiet world too: no refusal, no new connection", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  const short = tokenOf("short", lab.state.clock, 1000);
  lab.reviews.set(short, agentOf("n1"));
  await lab.write("token", short);
  await using agent = lab.agent();
  await witness.until("ack of 1", () => lab.agents.get("n1")?.acked?.version === 1);
  const first = lab.agents.get("n1")?.acked;
  // Kubelet renews; the API server can't be asked about the new one at first.
  const renewed = tokenOf("renewed", lab.state.clock, 2000);
  lab.state.away = true;
  await lab.write("token", renewed);
  await witness.until("a question about the renewed one", () => lab.asked.includes(renewed));
  lab.state.away = false;
  lab.reviews.set(renewed, agentOf("n1"));
  await witness.until("the ack again", () => lab.agents.get("n1")?.acked !== first);
  const again = lab.agents.get("n1")?.acked;
  assert.equal(again?.version, 1);
  const refused = lab.refusals.length;
  const asked = lab.asked.length;
  lab.reviews.delete(short);
  lab.state.elapsed += 10 * 60_000;
  await witness.until("the next question", () => lab.asked.length > asked);
  assert.equal(lab.asked.at(-1), renewed);
  assert.ok(lab.refusals.every((problem) => /the token can't be checked now/.test(problem)));
  assert.equal(lab.refusals.length, refused);
  assert.equal(lab.agents.get("n1")?.acked, again, "once is enough");
  assert.deepEqual(
    agent.statuses.map(({ kind }) => kind),
    ["connecting", "connected", "synced"],
  );
});

/** The API server's word on the token of a pod of node n1. */
function ofPod(uid: string): ReturnType<typeof agentOf> {
  const prefix = "authentication.kubernetes.io";
  const extra = { [`${prefix}/node-name`]: ["n1"], [`${prefix}/pod-uid`]: [uid] };
  return agentOf("n1", {
    user: { username: "system:serviceaccount:nodemesh:nodemesh-agent", extra },
  });
}

test("a second process with the agent's token ends its stream, which the agent is told", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  lab.reviews.set("agent-1", ofPod("u1"));
  await using agent = lab.agent();
  await witness.until("ack of 1", () => lab.agents.get("n1")?.acked?.version === 1);
  await using thief = lab.agent();
  await witness.until("the thief is heard", () => thief.statuses.at(-1)?.kind === "synced");
  const lost = (): string | undefined =>
    agent.statuses.flatMap((one) => (one.kind === "lost" ? [one.problem] : []))[0];
  await witness.until("the agent is told", () => lost() !== undefined);
  assert.equal(lost(), "control closed the stream");
  assert.deepEqual(lab.rivals[0], { kind: "replaced", node: "n1", pod: "u1" });
});

test("another pod's token is refused while the node's agent is there, and taken when it is gone", async () => {
  const witness = new Witness();
  await using lab = await startLab(witness);
  lab.reviews.set("agent-1", ofPod("u1"));
  lab.reviews.set("agent-2", ofPod("u2"));
  {
    await using agent = lab.agent();
    await witness.until("ack of 1", () => lab.agents.get("n1")?.acked?.version === 1);
    await lab.write("token", "agent-2");
    assert.match(
      await lossOf(lab, witness),
      /^control answered 409: pod u1 speaks for node n1, u2 may not before/,
    );
    assert.deepEqual(lab.rivals[0], { kind: "refused", node: "n1", pod: "u2", by: "u1" });
    lab.publisher.publish(partsOf(["a", "b"]));
    await witness.until("the agent follows", () => lab.agents.get("n1")?.acked?.version === 2);
    assert.equal(agent.statuses.at(-1)?.kind, "synced");
  }
  await using next = lab.agent();
  await witness.until("the next agent is heard", () => next.statuses.at(-1)?.kind === "synced");
});
