/**
 * Who may speak for a node: an agent shows the token that its kubelet gave it, the API server says whose it
 * is, and verdict.ts decides. May import control's api-call and world; must never log or keep a token.
 *
 * This file: the decision, pure.
 */

/** The audience that agents' tokens are made for; no other token is taken, and these are good for nothing else. */
export const AUDIENCE = "nodemesh-control";

/** The service account of agents, in control's namespace. */
const AGENT_ACCOUNT = "nodemesh-agent";

/** Keys of a bound token's extra fields, as the API server's service account authenticator names them; node-name since 1.30. */
const EXTRA = {
  node: "authentication.kubernetes.io/node-name",
  podName: "authentication.kubernetes.io/pod-name",
  podUid: "authentication.kubernetes.io/pod-uid",
} as const;

/** What of a TokenReview's status is read. */
export interface ReviewStatus {
  readonly authenticated?: boolean | undefined;
  readonly error?: string | undefined;
  readonly audiences?: readonly string[] | undefined;
  readonly user?:
    | {
        readonly username?: string | undefined;
        readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
      }
    | undefined;
}

/** A question: may the bearer of this token speak for the node? */
export interface ReviewQuestion {
  readonly node: string;
  /** Control's own, where the agents are. */
  readonly namespace: string;
  /** The node of a pod of control's namespace, when it is known by this name and uid. */
  readonly nodeOfPod: (name: string, uid: string) => string | undefined;
}

/** The closed list of reasons why a bearer may not; labels of a metric. */
export type Refusal =
  /** No token was shown. */
  | "no-token"
  /** The API server does not know the token, or it has expired. */
  | "not-authenticated"
  /** A token for somebody else than control. */
  | "other-audience"
  /** A token of another service account. */
  | "other-account"
  /** A token that is bound to no pod and no node. */
  | "not-bound"
  /** Its pod is not (yet) known here, so neither is its node. */
  | "unknown-pod"
  /** A token of the agent of another node. */
  | "other-node"
  /** The API server could not be asked. */
  | "cannot-check";

/** The decision: `status` is HTTP's, `problem` what the agent is told. */
export type Verdict =
  /** `pod`: the uid of the pod that the token is of, if it says so. */
  | { readonly kind: "admitted"; readonly pod?: string | undefined }
  | {
      readonly kind: "refused";
      readonly reason: Refusal;
      readonly status: 401 | 403 | 503;
      readonly problem: string;
    };

/** Decides on a reviewed token. */
export function judge(review: ReviewStatus, question: ReviewQuestion): Verdict {
  if (review.authenticated !== true) return unauthenticated(review.error ?? "");
  if (review.audiences?.includes(AUDIENCE) !== true)
    return refused("other-audience", 401, otherAudience(review.audiences ?? []));
  const { username = "", extra = {} } = review.user ?? {};
  const wanted = agentsName(question.namespace);
  if (username !== wanted)
    return refused("other-account", 403, `the token is ${username}'s, agents are ${wanted}`);
  return judgeNode(extra, question);
}

/** Whether a reviewed token is an agent's, of whatever node: nobody has one who may not make pods in control's namespace. */
export function isAgentsToken(review: ReviewStatus, namespace: string): boolean {
  const { authenticated, audiences, user } = review;
  return (
    authenticated === true &&
    audiences?.includes(AUDIENCE) === true &&
    user?.username === agentsName(namespace)
  );
}

function agentsName(namespace: string): string {
  return `system:serviceaccount:${namespace}:${AGENT_ACCOUNT}`;
}

/** The refusal of a request without a token. */
export function noToken(): Verdict {
  return refused("no-token", 401, "no token: send authorization: Bearer TOKEN");
}

/** The refusal while the API server can't be asked; the agent comes again by itself. */
export function cannotCheck(problem: string): Verdict {
  return refused("cannot-check", 503, `the token can't be checked now: ${problem}`);
}

function unauthenticated(error: string): Verdict {
  // The API server's authenticators say so in words only.
  if (/audience/i.test(error)) {
    const found = /token audiences \[([^\]]*)\]/.exec(error)?.[1];
    return refused("other-audience", 401, otherAudience(found === undefined ? [] : [found]));
  }
  const detail = error === "" ? "" : `: ${error}`;
  return refused("not-authenticated", 401, `the API server does not accept the token${detail}`);
}

function otherAudience(audiences: readonly string[]): string {
  const found = audiences.length === 0 ? "another audience" : audiences.join(", ");
  return `the token is for ${found}, not for ${AUDIENCE}`;
}

function judgeNode(
  extra: Readonly<Record<string, readonly string[]>>,
  { node, nodeOfPod }: ReviewQuestion,
): Verdict {
  const named = extra[EXTRA.node]?.[0];
  const podUid = extra[EXTRA.podUid]?.[0];
  if (named !== undefined) return compare(named, node, podUid);
  // API servers before 1.30 name the pod only.
  const podName = extra[EXTRA.podName]?.[0];
  if (podName === undefined || podUid === undefined)
    return refused("not-bound", 403, "the token is bound to no pod: mount a projected token");
  const found = nodeOfPod(podName, podUid);
  if (found === undefined || found === "")
    return refused("unknown-pod", 403, `pod ${podName} (${podUid}) is not known to control`);
  return compare(found, node, podUid);
}

function compare(found: string, asked: string, pod: string | undefined): Verdict {
  if (found === asked) return { kind: "admitted", ...(pod !== undefined && { pod }) };
  return refused("other-node", 403, `the token is for node ${found}, not for ${asked}`);
}

function refused(reason: Refusal, status: 401 | 403 | 503, problem: string): Verdict {
  return { kind: "refused", reason, status, problem };
}
