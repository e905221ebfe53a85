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

const SECRET = "nodemesh-ca";
const CONFIG_MAP = "nodemesh-root";
/** The key that agents mount; it may hold several certificates, which is how a CA will be changed. */
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

/** The authority as it is kept in the cluster. */
export class AuthorityStore {
  readonly #options: AuthorityStoreOptions;

  constructor(options: AuthorityStoreOptions) {
    this.#options = options;
  }

  /**
   * The authority of this mesh, made when there is none: of replicas that start together one makes it and
   * all take that one. Then sees to the ConfigMap. Throws AuthorityError when what is there can't be used,
   * StoreError when the API does not let it.
   */
  async open(signal: AbortSignal): Promise<Authority> {
    const authority = await this.#openSecret(undefined, signal);
    await this.#publishRoots([authority], signal);
    return authority;
  }

  /**
   * For the leader, now and then: puts back a Secret that was deleted, and the ConfigMap. While the Secret
   * holds another authority than the one in use, agents are told of both; resolves with whether that is so.
   */
  async repair(inUse: Authority, signal: AbortSignal): Promise<"same" | "replaced"> {
    const stored = await this.#openSecret(inUse, signal);
    const same = stored.certificate === inUse.certificate;
    await this.#publishRoots(same ? [stored] : [stored, inUse], signal);
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

  /** Makes the ConfigMap say these certificates and nothing else. */
  async #publishRoots(roots: readonly Authority[], signal: AbortSignal): Promise<void> {
    const { namespace } = this.#options;
    const wanted = roots.map(({ certificate }) => certificate).join("");
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

  async #writeRoots(wanted: string, signal: AbortSignal): Promise<void> {
    const { api, calls, namespace } = this.#options;
    const there = await this.#readRoots(signal);
    if (there === undefined) {
      const metadata = { name: CONFIG_MAP, namespace, labels: LABELS };
      const body: V1ConfigMap = { metadata, data: { [ROOT_KEY]: wanted } };
      await api.createNamespacedConfigMap({ namespace, body }, calls.options(signal));
    } else if (there.data?.[ROOT_KEY] !== wanted) {
      // With the resourceVersion of what was read: a change in between is a conflict.
      const body: V1ConfigMap = { ...there, data: { ...there.data, [ROOT_KEY]: wanted } };
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
