/**
 * Control's TLS: the mesh's certificate authority and the certificate that agents see. Keys and signatures
 * are node:crypto's; node-forge, which has no ECDSA, only writes and reads the ASN.1 around them. A private
 * key lives in memory and in the Secret of the authority: never in a file, never in a log.
 *
 * This file: X.509 version 3 certificates as DER (RFC 5280), with ECDSA-SHA256 signatures (RFC 5758).
 */

import { createHash, type KeyObject, randomBytes, sign } from "node:crypto";
import forge from "node-forge";

const { asn1 } = forge;
type Asn1 = forge.asn1.Asn1;
const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;
const { Type } = asn1;

const OID = {
  ecPublicKey: "1.2.840.10045.2.1",
  prime256v1: "1.2.840.10045.3.1.7",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  commonName: "2.5.4.3",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  subjectAltName: "2.5.29.17",
  subjectKeyIdentifier: "2.5.29.14",
  authorityKeyIdentifier: "2.5.29.35",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const;

/** The last year that a UTCTime can say (RFC 5280 section 4.1.2.5). */
const LAST_UTC_TIME_YEAR = 2049;

/** What a certificate says. */
export interface CertificateWords {
  readonly subject: string;
  /** An EC key on the curve P-256. */
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly use:
    | { readonly kind: "authority" }
    /** A server of these DNS names. */
    | { readonly kind: "server"; readonly dnsNames: readonly string[] };
}

/** Who signs: a private EC key and, unless the certificate signs itself, the signer's own certificate as DER. */
export interface Signer {
  readonly privateKey: KeyObject;
  readonly certificate: Buffer | undefined;
}

/** Makes and signs a certificate; PEM with a random serial number of 128 bits. */
export function signCertificate(words: CertificateWords, signer: Signer): string {
  const issuer = signer.certificate && readIssuer(signer.certificate);
  const subject = nameOf(words.subject);
  const ownId = keyId(words.publicKey);
  const tbs = sequence(
    context(0, integer(Buffer.from([2]))),
    integer(serialNumber()),
    algorithm(),
    issuer?.name ?? subject,
    sequence(time(words.notBefore), time(words.notAfter)),
    subject,
    publicKeyInfo(words.publicKey),
    context(3, sequence(...extensions(words, ownId, issuer === undefined ? ownId : issuer.keyId))),
  );
  const signature = sign("sha256", Buffer.from(asn1.toDer(tbs).getBytes(), "latin1"), {
    key: signer.privateKey,
    dsaEncoding: "der",
  });
  const der = asn1.toDer(sequence(tbs, algorithm(), bitString(signature))).getBytes();
  return pemOf(Buffer.from(der, "latin1"));
}

function pemOf(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function extensions(
  { use }: CertificateWords,
  ownId: Buffer,
  issuerId: Buffer | undefined,
): readonly Asn1[] {
  const ids = [extension(OID.subjectKeyIdentifier, false, octets(ownId))];
  if (issuerId !== undefined)
    // keyIdentifier is [0] IMPLICIT.
    ids.push(extension(OID.authorityKeyIdentifier, false, sequence(tagged(0, issuerId))));
  if (use.kind === "authority")
    return [
      // pathLenConstraint 0: it signs certificates of servers and workloads, no further authorities.
      extension(OID.basicConstraints, true, sequence(yes(), integer(Buffer.from([0])))),
      // keyCertSign is bit 5; two unused bits follow.
      extension(OID.keyUsage, true, bitString(Buffer.from([0x04]), 2)),
      ...ids,
    ];
  return [
    extension(OID.basicConstraints, true, sequence()),
    // digitalSignature is bit 0; seven unused bits follow.
    extension(OID.keyUsage, true, bitString(Buffer.from([0x80]), 7)),
    extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth))),
    // dNSName is [2] IMPLICIT.
    extension(
      OID.subjectAltName,
      false,
      sequence(...use.dnsNames.map((name) => tagged(2, Buffer.from(name, "ascii")))),
    ),
    ...ids,
  ];
}

/** The name and key identifier of an authority, word for word as its certificate has them. */
function readIssuer(certificate: Buffer): {
  readonly name: Asn1;
  readonly keyId: Buffer | undefined;
} {
  // Certificate > tbsCertificate > version, serialNumber, signature, issuer, validity, subject, key, extensions
  const tbs = childrenOf(childrenOf(parse(certificate))[0]);
  const subject = tbs[5];
  if (subject === undefined) throw new Error("the authority's certificate has no subject");
  const list = childrenOf(
    childrenOf(tbs.findLast(({ tagClass }) => tagClass === CONTEXT_SPECIFIC))[0],
  );
  for (const item of list) {
    const [id, ...rest] = childrenOf(item);
    if (id === undefined || asn1.derToOid(String(id.value)) !== OID.subjectKeyIdentifier) continue;
    const value = parse(Buffer.from(String(rest.at(-1)?.value), "latin1"));
    return { name: subject, keyId: Buffer.from(String(value.value), "latin1") };
  }
  return { name: subject, keyId: undefined };
}

function childrenOf(node: Asn1 | undefined): readonly Asn1[] {
  return Array.isArray(node?.value) ? node.value : [];
}

/** The leftmost 160 bits of the SHA-256 of the key's bits (RFC 7093 section 2, method 1). */
function keyId(publicKey: KeyObject): Buffer {
  return createHash("sha256").update(pointOf(publicKey)).digest().subarray(0, 20);
}

/** The uncompressed point of a P-256 key: the last 65 bytes of its SubjectPublicKeyInfo (RFC 5480 section 2.2). */
function pointOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" }).subarray(-65);
}

function publicKeyInfo(publicKey: KeyObject): Asn1 {
  return sequence(
    sequence(oid(OID.ecPublicKey), oid(OID.prime256v1)),
    bitString(pointOf(publicKey)),
  );
}

/** Positive, and never with a needless leading zero, which DER forbids. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes;
}

function nameOf(commonName: string): Asn1 {
  const text = primitive(Type.UTF8, Buffer.from(commonName, "utf8"));
  return sequence(asn1.create(UNIVERSAL, Type.SET, true, [sequence(oid(OID.commonName), text)]));
}

function time(date: Date): Asn1 {
  const utc = date.getUTCFullYear() <= LAST_UTC_TIME_YEAR;
  const text = utc ? asn1.dateToUtcTime(date) : asn1.dateToGeneralizedTime(date);
  return asn1.create(UNIVERSAL, utc ? Type.UTCTIME : Type.GENERALIZEDTIME, false, text);
}

/** ecdsa-with-SHA256 has no parameters (RFC 5758 section 3.2). */
function algorithm(): Asn1 {
  return sequence(oid(OID.ecdsaWithSha256));
}

function extension(id: string, critical: boolean, value: Asn1): Asn1 {
  const content = octets(Buffer.from(asn1.toDer(value).getBytes(), "latin1"));
  return sequence(oid(id), ...(critical ? [yes()] : []), content);
}

function yes(): Asn1 {
  return primitive(Type.BOOLEAN, Buffer.from([0xff]));
}

function oid(dotted: string): Asn1 {
  return asn1.create(UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

function integer(bytes: Buffer): Asn1 {
  return primitive(Type.INTEGER, bytes);
}

function octets(bytes: Buffer): Asn1 {
  return primitive(Type.OCTETSTRING, bytes);
}

function bitString(bytes: Buffer, unusedBits: number = 0): Asn1 {
  return primitive(Type.BITSTRING, Buffer.concat([Buffer.from([unusedBits]), bytes]));
}

function sequence(...items: readonly Asn1[]): Asn1 {
  return asn1.create(UNIVERSAL, Type.SEQUENCE, true, [...items]);
}

/** An explicit tag. */
function context(tag: number, item: Asn1): Asn1 {
  return asn1.create(CONTEXT_SPECIFIC, tag, true, [item]);
}

/** An implicit tag. */
function tagged(tag: number, bytes: Buffer): Asn1 {
  return asn1.create(CONTEXT_SPECIFIC, tag, false, bytes.toString("latin1"));
}

function primitive(type: forge.asn1.Type, bytes: Buffer): Asn1 {
  return asn1.create(UNIVERSAL, type, false, bytes.toString("latin1"));
}

/** Throws on anything that is not DER. */
function parse(der: Buffer): Asn1 {
  return asn1.fromDer(der.toString("latin1"));
}
