/** Control's end of the agents' TLS, with a stand-in for the API server's word on tokens. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectTls, type TlsControl } from "../../agent/state/session.ts";
import { Admitter, ReviewUnavailable } from "../../control/admission/admitter.ts";
import type { ReviewStatus } from "../../control/admission/verdict.ts";
import { AgentRegistry } from "../../control/publish/agents.ts";
import { Publisher } from "../../control/publish/publisher.ts";
import { PublishServer, type Rival } from "../../control/publish/server.ts";
import { makeAuthority, readAuthority, servingNames } from "../../control/tls/authority.ts";
import { startServing } from "../../control/tls/serving.ts";
import { partsOf, startAgent, type TestAgent, type Witness } from "./control-link.ts";

/** Control's name in its certificate. */
export const SERVER_NAME = "nodemesh-control.nodemesh.svc";
/** Milliseconds. */
export const HOUR_MS = 3_600_000;

/** What the API server says of each token; a token that is not here is unknown to it. */
type Reviews = Map<string, ReviewStatus>;

/** The API server's word on a good token of a node's agent, but for what `over` says. */
export function agentOf(node: string, over: ReviewStatus = {}): ReviewStatus {
  return {
    authenticated: true,
    audiences: ["nodemesh-control"],
    user: {
      username: "system:serviceaccount:nodemesh:nodemesh-agent",
      extra: { "authentication.kubernetes.io/node-name": [node] },
    },
    ...over,
  };
}

/** A token of the shape of a JWT: made at a time of the API server's clock (ms since 1970), living so long (ms). */
export function tokenOf(name: string, made: number, life: number): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [iat, exp] = [made / 1000, (made + life) / 1000];
  return `${part({})}.${part({ iat, exp, name })}.c2ln`;
}

/** A control that serves TLS, the API server's word beside it, and what an agent reads. */
export interface TlsLab extends AsyncDisposable {
  readonly agents: AgentRegistry;
  readonly publisher: Publisher;
  readonly reviews: Reviews;
  /** The tokens that the API server was asked about. */
  readonly asked: readonly string[];
  readonly refusals: string[];
  readonly rivals: Rival[];
  /** Whether the API server does not answer, what control takes the time to be, and its clock that nobody sets (ms). */
  readonly state: { away: boolean; clock: number; elapsed: number };
  readonly renewals: number[];
  readonly control: TlsControl;
  agent(over?: Partial<TlsControl>): TestAgent;
  write(file: "token" | "ca.crt", text: string): Promise<void>;
}

/** Starts control on a port of loopback; agents of it report to `witness`. */
export async function startLab(witness: Witness): Promise<TlsLab> {
  const stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-tls-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const write = (file: string, text: string): Promise<void> =>
    writeFile(join(directory, file), text);
  const authority = readAuthority(makeAuthority(Date.now()), Date.now());
  await write("ca.crt", authority.certificate);
  await write("token", "agent-1\n");

  const reviews: Reviews = new Map([["agent-1", agentOf("n1")]]);
  const asked: string[] = [];
  const refusals: string[] = [];
  const rivals: Rival[] = [];
  const renewals: number[] = [];
  const publisher = new Publisher("e1");
  publisher.publish(partsOf(["a"]));
  const agents = new AgentRegistry(() => new Date());
  const state = { away: false, clock: Date.now(), elapsed: 0 };
  const admitter = new Admitter({
    namespace: "nodemesh",
    nodeOfPod: () => undefined,
    now: () => state.elapsed,
    review: async (token) => {
      asked.push(token);
      witness.changed();
      if (state.away) throw new ReviewUnavailable("the API server does not answer");
      return reviews.get(token) ?? { authenticated: false };
    },
  });
  const serving = startServing({
    authority,
    newest: () => Promise.resolve(authority),
    dnsNames: servingNames("nodemesh-control", "nodemesh"),
    now: () => state.clock,
    lookMs: 10,
    onRenewed: (at) => {
      renewals.push(at);
      witness.changed();
    },
  });
  stack.use(serving);
  const server = new PublishServer({
    publisher,
    agents,
    server: serving.server,
    strangerMs: 1_000,
    admit: (node, authorization) => admitter.admit(node, authorization),
    onRefused: (_, problem) => refusals.push(problem),
    onRival: (rival) => rivals.push(rival),
    onAck: () => witness.changed(),
  });
  stack.defer(() => server.close());
  const { promise, resolve } = Promise.withResolvers<void>();
  server.server.listen(0, "127.0.0.1", resolve);
  await promise;
  const control: TlsControl = {
    host: "127.0.0.1",
    // A TCP server's address is never a text.
    port: (server.server.address() as AddressInfo).port,
    caFile: join(directory, "ca.crt"),
    tokenFile: join(directory, "token"),
    serverName: SERVER_NAME,
  };
  return {
    agents,
    publisher,
    reviews,
    asked,
    refusals,
    rivals,
    renewals,
    state,
    control,
    agent: (over) => startAgent(0, witness, { connect: () => connectTls({ ...control, ...over }) }),
    write,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Follows until the connection is lost for the first time; why. */
export async function lossOf(
  lab: TlsLab,
  witness: Witness,
  over: Partial<TlsControl> = {},
): Promise<string> {
  await using agent = lab.agent(over);
  await witness.until("loss", () => agent.statuses.at(-1)?.kind === "lost");
  const last = agent.statuses.at(-1);
  return last?.kind === "lost" ? last.problem : "";
}
