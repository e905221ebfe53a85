/**
 * Where the authority is kept: Secret nodemesh-ca, made by the first control that finds none, and ConfigMap
 * nodemesh-root, which tells agents what to trust. The Secret is the truth; the ConfigMap follows it.
 */

import type { CoreV1Api, V1ConfigMap, V1Secret } from "@kubernetes/client-node";
import { type ApiCalls, type CallError, callError } from "../api-call.ts";
import {
  type Authority,
  AuthorityError,
  type KeyPairTexts,
  makeAuthority,
  readAuthority,
} from "./authority.ts";
import { certificatesIn, type OldRoots, withRoot } from "./roots.ts";

const SECRET = "nodemesh-ca";
const CONFIG_MAP = "nodemesh-root";
/** The key that agents mount; it holds several certificates while the CA is being changed. */
const ROOT_KEY = "ca.crt";
/** Rounds of "is it there, then make it": more than this many losers in a row mean that somebody deletes it. */
const MAX_ROUNDS = 5;

/** The calls that are made; a part of client-node's CoreV1Api, so that tests can break them. */
export type AuthorityApi = Pick<
  CoreV1Api,
  | "readNamespacedSecret"
  | "createNamespacedSecret"
  | "readNamespacedConfigMap"
  | "createNamespacedConfigMap"
  | "replaceNamespacedConfigMap"
>;

/** What the store works with. */
export interface AuthorityStoreOptions {
  readonly api: AuthorityApi;
  readonly calls: ApiCalls;
  /** Control's own. */
  readonly namespace: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The API did not do what was asked: the message names object and next step. `failure` tells whether to try again. */
export class StoreError extends Error {
  readonly failure: CallError["failure"];

  constructor(what: string, { failure, problem }: CallError) {
    const hint = failure === "denied" ? "; install control's roles again: nodemesh install" : "";
    super(`${what}: ${problem}${hint}`);
    this.failure = failure;
  }
}

/** From the certificates that agents are told of to those that they should be told of. */
type Wanted = (told: readonly string[]) => readonly string[];

/** The authority as it is kept in the cluster. */
export class AuthorityStore {
  readonly #options: AuthorityStoreOptions;

  constructor(options: AuthorityStoreOptions) {
    this.#options = options;
  }

  /**
   * The authority of this mesh, made when there is none (of the one `inUse`, if any): of replicas that start together one makes it and
   * all take that one. Then sees that agents are told of it too; whom else they are told of is not its business. Throws AuthorityError when what is there can't be used,
   * StoreError when the API does not let it.
   */
  async open(signal: AbortSignal, inUse?: Authority): Promise<Authority> {
    const authority = await this.#openSecret(inUse, signal);
    await this.#publishRoots((told) => withRoot(told, authority.certificate), signal);
    return authority;
  }

  /**
   * For the leader, now and then: puts back a Secret that was deleted, and the ConfigMap. Agents are told of the Secret's
   * authority, the one in use here, and `old` ones that may be in use elsewhere. Resolves with whether the first two are
   * the same.
   */
  async repair(inUse: Authority, old: OldRoots, signal: AbortSignal): Promise<"same" | "replaced"> {
    const stored = await this.#openSecret(inUse, signal);
    const same = stored.certificate === inUse.certificate;
    const now = [stored.certificate, inUse.certificate];
    await this.#publishRoots((told) => old.keep(told, now), signal);
    return same ? "same" : "replaced";
  }

  /** Reads the Secret; when it is absent, makes it of `inUse` or of a new authority. */
  async #openSecret(inUse: Authority | undefined, signal: AbortSignal): Promise<Authority> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const there = await this.#readSecret(signal);
      if (there !== undefined) return this.#check(there);
      const { now } = this.#options;
      const texts = inUse === undefined ? makeAuthority(now()) : textsOf(inUse);
      if (await this.#createSecret(texts, signal)) return readAuthority(texts, now());
    }
    throw new AuthorityError(
      `${this.#secretName} comes and goes: somebody deletes it as soon as it is made; find out who`,
    );
  }

  #check(texts: KeyPairTexts): Authority {
    try {
      return readAuthority(texts, this.#options.now());
    } catch (cause) {
      if (!(cause instanceof AuthorityError)) throw cause;
      const { namespace } = this.#options;
      throw new AuthorityError(
        `${this.#secretName}: ${cause.message}; give it a valid authority, or let control make a new one: ` +
          `kubectl -n ${namespace} delete secret ${SECRET} && kubectl -n ${namespace} rollout restart deployment/nodemesh-control`,
        { cause },
      );
    }
  }

  get #secretName(): string {
    return `Secret ${this.#options.namespace}/${SECRET}`;
  }

  async #readSecret(signal: AbortSignal): Promise<KeyPairTexts | undefined> {
    const { api, calls, namespace } = this.#options;
    try {
      const ask = { name: SECRET, namespace };
      const { data } = await api.readNamespacedSecret(ask, calls.options(signal));
      return { certificate: decoded(data?.["tls.crt"]), privateKey: decoded(data?.["tls.key"]) };
    } catch (cause) {
      const error = callError(cause, signal);
      if (error.failure === "absent") return undefined;
      throw new StoreError(`${this.#secretName} can't be read`, error);
    }
  }

  /** False when somebody else was faster. */
  async #createSecret(texts: KeyPairTexts, signal: AbortSignal): Promise<boolean> {
    const { api, calls, namespace } = this.#options;
    const body: V1Secret = {
      metadata: { name: SECRET, namespace, labels: LABELS },
      type: "kubernetes.io/tls",
      stringData: { "tls.crt": texts.certificate, "tls.key": texts.privateKey },
    };
    try {
      await api.createNamespacedSecret({ namespace, body }, calls.options(signal));
      return true;
    } catch (cause) {
      const error = callError(cause, signal);
      if (error.failure === "conflict") return false;
      throw new StoreError(`${this.#secretName} can't be made`, error);
    }
  }

  /** Makes the ConfigMap say what `wanted` makes of what it says. */
  async #publishRoots(wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { namespace } = this.#options;
    const what = `ConfigMap ${namespace}/${CONFIG_MAP} can't be written`;
    for (let round = 0; ; round++) {
      try {
        await this.#writeRoots(wanted, signal);
        return;
      } catch (cause) {
        const error = callError(cause, signal);
        // Somebody made, changed or deleted it in between: look again.
        const raced = error.failure === "conflict" || error.failure === "absent";
        if (!raced || round + 1 === MAX_ROUNDS) throw new StoreError(what, error);
      }
    }
  }

  async #writeRoots(wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { api, calls, namespace } = this.#options;
    const there = await this.#readRoots(signal);
    const told = there?.data?.[ROOT_KEY] ?? "";
    const text = wanted(certificatesIn(told)).join("");
    if (there === undefined) {
      const metadata = { name: CONFIG_MAP, namespace, labels: LABELS };
      const body: V1ConfigMap = { metadata, data: { [ROOT_KEY]: text } };
      await api.createNamespacedConfigMap({ namespace, body }, calls.options(signal));
    } else if (told !== text) {
      // With the resourceVersion of what was read: a change in between is a conflict.
      const body: V1ConfigMap = { ...there, data: { ...there.data, [ROOT_KEY]: text } };
      const ask = { name: CONFIG_MAP, namespace, body };
      await api.replaceNamespacedConfigMap(ask, calls.options(signal));
    }
  }

  async #readRoots(signal: AbortSignal): Promise<V1ConfigMap | undefined> {
    const { api, calls, namespace } = this.#options;
    try {
      const ask = { name: CONFIG_MAP, namespace };
      return await api.readNamespacedConfigMap(ask, calls.options(signal));
    } catch (cause) {
      if (callError(cause, signal).failure === "absent") return undefined;
      throw cause;
    }
  }
}

/** What a person who looks at the objects sees; nothing selects by them. */
const LABELS = { "app.kubernetes.io/name": "nodemesh", "app.kubernetes.io/managed-by": "nodemesh" };

function textsOf({ certificate, privateKey }: Authority): KeyPairTexts {
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { certificate, privateKey: key };
}

/** A Secret's value; absent reads as empty, which is refused later with the field's name. */
function decoded(base64: string | undefined): string {
  return Buffer.from(base64 ?? "", "base64").toString();
}
