import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { test } from "node:test";
import {
  AuthorityError,
  makeAuthority,
  makeServing,
  readAuthority,
  servingNames,
} from "./authority.ts";

const NOW = Date.UTC(2026, 10, 24);
const DAY_MS = 24 * 3_600_000;

function problemOf(read: () => unknown): string {
  try {
    read();
  } catch (cause) {
    assert.ok(cause instanceof AuthorityError, String(cause));
    return cause.message;
  }
  return assert.fail("it was taken");
}

test("an authority signs itself, for ten years, and may sign nothing but ends of chains", () => {
  const texts = makeAuthority(NOW);
  const certificate = new X509Certificate(texts.certificate);
  assert.equal(certificate.ca, true);
  assert.equal(certificate.verify(certificate.publicKey), true);
  assert.equal(certificate.subject, "CN=nodemesh CA");
  assert.equal(certificate.issuer, "CN=nodemesh CA");
  assert.equal(certificate.validToDate.getUTCFullYear(), 2036);
  const authority = readAuthority(texts, NOW);
  assert.equal(authority.expires, certificate.validToDate.getTime());
});

test("a serving certificate has the Service's names, one day, and the authority's signature", () => {
  const authority = readAuthority(makeAuthority(NOW), NOW);
  const names = servingNames("nodemesh-control", "nodemesh");
  const serving = makeServing(authority, names, NOW);
  const certificate = new X509Certificate(serving.certificate);
  const issuer = new X509Certificate(authority.certificate);
  assert.equal(certificate.checkIssued(issuer), true);
  assert.equal(certificate.verify(issuer.publicKey), true);
  assert.equal(certificate.ca, false);
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.equal(
    certificate.subjectAltName,
    "DNS:nodemesh-control.nodemesh.svc, DNS:nodemesh-control.nodemesh.svc.cluster.local, " +
      "DNS:nodemesh-control.nodemesh, DNS:nodemesh-control",
  );
  assert.equal(certificate.validToDate.getTime(), NOW + DAY_MS);
  assert.equal(serving.renewAt, NOW + (DAY_MS * 2) / 3);
  for (const name of names) assert.equal(certificate.checkHost(name), name);
  assert.equal(certificate.checkHost("other.nodemesh.svc"), undefined);
});

test("a serving certificate does not outlive its authority", () => {
  const authority = readAuthority(makeAuthority(NOW), NOW);
  const late = authority.expires - 3_600_000;
  const serving = makeServing(authority, ["a"], late);
  assert.equal(new X509Certificate(serving.certificate).validToDate.getTime(), authority.expires);
});

test("years after 2049 are written as they must be", () => {
  const texts = makeAuthority(Date.UTC(2045, 0, 1));
  assert.equal(new X509Certificate(texts.certificate).validToDate.getUTCFullYear(), 2054);
});

test("every certificate has its own serial number, never negative", () => {
  const serials = Array.from({ length: 50 }, () => {
    const { serialNumber } = new X509Certificate(makeAuthority(NOW).certificate);
    assert.match(serialNumber, /^[4-7][0-9A-F]{31}$/);
    return serialNumber;
  });
  assert.equal(new Set(serials).size, 50);
});

test("what can't be an authority is refused with the field and the cause", () => {
  const good = makeAuthority(NOW);
  const other = makeAuthority(NOW);
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rsaKey = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const serving = makeServing(readAuthority(good, NOW), ["a"], NOW);
  const refused = (texts: Partial<typeof good>, now: number = NOW): string =>
    problemOf(() => readAuthority({ ...good, ...texts }, now));
  assert.match(refused({ certificate: "nonsense" }), /^tls\.crt: can't be read/);
  assert.match(refused({ certificate: "" }), /^tls\.crt: can't be read/);
  assert.match(refused({ privateKey: "nonsense" }), /^tls\.key: can't be read/);
  assert.match(refused({ privateKey: rsaKey }), /^tls\.key: must be an ECDSA key/);
  assert.match(refused({ privateKey: other.privateKey }), /^tls\.key: is not the key/);
  assert.match(refused(serving), /^tls\.crt: is not the certificate of an authority/);
  assert.match(refused({}, NOW + 3700 * DAY_MS), /^tls\.crt: has expired at 2036-/);
  assert.match(refused({}, NOW - DAY_MS), /^tls\.crt: is not valid before 2026-/);
});
