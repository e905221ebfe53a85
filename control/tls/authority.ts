/** The mesh's certificate authority as a value: making one, reading one with every check, and what it signs. */

import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { signCertificate } from "./der.ts";

const HOUR_MS = 3_600_000;
/** Long: changing it means telling all agents. */
const AUTHORITY_LIFE_MS = 10 * 365 * 24 * HOUR_MS;
/** How long a serving certificate lives (ms). Short: nobody can take it back. */
export const SERVING_LIFE_MS: number = 24 * HOUR_MS;
/** Certificates count from this much before now: nodes' clocks differ. */
const CLOCK_SLACK_MS = HOUR_MS;
/** A serving certificate is replaced after two thirds of its life: what is left is for clocks that are ahead. */
const RENEW_AFTER_MS = (SERVING_LIFE_MS * 2) / 3;

/** A certificate authority that can sign. */
export interface Authority {
  /** The certificate that agents pin, PEM. */
  readonly certificate: string;
  readonly privateKey: KeyObject;
  /** When it ends, milliseconds since 1970. */
  readonly expires: number;
}

/** The two texts of a Secret of type kubernetes.io/tls, PEM. */
export interface KeyPairTexts {
  readonly certificate: string;
  readonly privateKey: string;
}

/** What a server shows to agents, and when it must be replaced (milliseconds since 1970). */
export interface ServingCertificate extends KeyPairTexts {
  readonly renewAt: number;
}

/** An authority that can't be used: the message says why and what to do. */
export class AuthorityError extends Error {}

/** Makes a new authority: an ECDSA key on P-256, ten years. */
export function makeAuthority(now: number): KeyPairTexts {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = signCertificate(
    {
      subject: "nodemesh CA",
      publicKey,
      notBefore: new Date(now - CLOCK_SLACK_MS),
      notAfter: new Date(now + AUTHORITY_LIFE_MS),
      use: { kind: "authority" },
    },
    { privateKey, certificate: undefined },
  );
  return { certificate, privateKey: pkcs8(privateKey) };
}

/**
 * Reads an authority from a Secret's texts. Throws AuthorityError for anything that agents would not trust
 * or that could not sign. When there are several certificates the first is the one that signs.
 */
export function readAuthority(texts: KeyPairTexts, now: number): Authority {
  const certificate = attempt("tls.crt", () => new X509Certificate(texts.certificate));
  // The message of a key that can't be read never holds the key.
  const privateKey = attempt("tls.key", () => createPrivateKey(texts.privateKey));
  const { asymmetricKeyType, asymmetricKeyDetails } = privateKey;
  if (asymmetricKeyType !== "ec" || asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new AuthorityError("tls.key: must be an ECDSA key on the curve P-256");
  if (!certificate.checkPrivateKey(privateKey))
    throw new AuthorityError("tls.key: is not the key of the certificate in tls.crt");
  if (!certificate.ca)
    throw new AuthorityError(
      "tls.crt: is not the certificate of an authority (CA:TRUE is missing)",
    );
  const expires = certificate.validToDate.getTime();
  if (expires <= now) throw new AuthorityError(`tls.crt: has expired at ${iso(expires)}`);
  const from = certificate.validFromDate.getTime();
  if (from > now) throw new AuthorityError(`tls.crt: is not valid before ${iso(from)}`);
  return { certificate: certificate.toString(), privateKey, expires };
}

/** Makes a key and a certificate for a server of these names. It does not outlive the authority. */
export function makeServing(
  authority: Authority,
  dnsNames: readonly string[],
  now: number,
): ServingCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = signCertificate(
    {
      subject: dnsNames[0] ?? "nodemesh-control",
      publicKey,
      notBefore: new Date(now - CLOCK_SLACK_MS),
      notAfter: new Date(Math.min(now + SERVING_LIFE_MS, authority.expires)),
      use: { kind: "server", dnsNames },
    },
    {
      privateKey: authority.privateKey,
      certificate: new X509Certificate(authority.certificate).raw,
    },
  );
  return { certificate, privateKey: pkcs8(privateKey), renewAt: now + RENEW_AFTER_MS };
}

/** The names under which agents find control: its Service's, from the longest that is always right to the shortest. */
export function servingNames(service: string, namespace: string): readonly string[] {
  const inNamespace = `${service}.${namespace}`;
  return [`${inNamespace}.svc`, `${inNamespace}.svc.cluster.local`, inNamespace, service];
}

function pkcs8(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function attempt<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new AuthorityError(`${field}: can't be read as PEM`, { cause });
  }
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
