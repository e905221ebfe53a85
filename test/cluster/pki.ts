/** A cluster's certificates and kubeconfigs. One key for all leaves: only the names on them matter in a test. */

import { generateKeyPair } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import forge from "node-forge";
import { API_PORT, API_SERVICE, CONTROL, outsideLink } from "./plan.ts";
import type { ClusterPaths, ClusterSpec } from "./spec.ts";

const DAY_MS = 86_400_000;

/** Who connects to the API server, by the name of the kubeconfig. */
const CLIENTS: Readonly<Record<string, Subject>> = {
  admin: { commonName: "admin", organization: "system:masters" },
  "kubelet-client": {
    commonName: "system:kube-apiserver-kubelet-client",
    organization: "system:masters",
  },
  "front-proxy": { commonName: "front-proxy-client" },
  "kube-controller-manager": { commonName: "system:kube-controller-manager" },
  "kube-scheduler": { commonName: "system:kube-scheduler" },
  "kube-proxy": { commonName: "system:kube-proxy" },
  coredns: { commonName: "system:coredns" },
};

interface Subject {
  readonly commonName: string;
  readonly organization?: string;
}

interface Maker {
  readonly caName: forge.pki.CertificateField[];
  readonly caKey: forge.pki.rsa.PrivateKey;
  readonly publicKey: forge.pki.PublicKey;
}

/** Writes all certificates, keys and kubeconfigs of a cluster into its folders. */
export async function writePki(paths: ClusterPaths, spec: ClusterSpec): Promise<void> {
  const { pki } = paths;
  mkdirSync(pki, { recursive: true, mode: 0o700 });
  const [ca, leaf, accounts] = await Promise.all([rsaKey(), rsaKey(), rsaKey()]);
  const caName = nameOf({ commonName: `${paths.name} CA` });
  const caKey = forge.pki.privateKeyFromPem(ca.privateKey);
  const caPem = sign(
    { caName, caKey, publicKey: forge.pki.publicKeyFromPem(ca.publicKey) },
    { commonName: `${paths.name} CA` },
    [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, digitalSignature: true },
    ],
  );
  const maker = { caName, caKey, publicKey: forge.pki.publicKeyFromPem(leaf.publicKey) };
  const put = (name: string, text: string) => writeFileSync(join(pki, name), text, { mode: 0o600 });
  put("ca.crt", caPem);
  put("leaf.key", leaf.privateKey);
  put("accounts.key", accounts.privateKey);
  put("accounts.pub", accounts.publicKey);
  put("apiserver.crt", serverCertificate(maker, spec));
  for (const [name, subject] of Object.entries(CLIENTS))
    put(`${name}.crt`, clientCertificate(maker, subject));
  const inside = `https://${CONTROL.v4}:${API_PORT}`;
  const config = (server: string, certificate: string) =>
    kubeconfig(server, caPem, certificate, leaf.privateKey);
  for (const name of Object.keys(CLIENTS))
    put(`${name}.kubeconfig`, config(inside, clientCertificate(maker, CLIENTS[name] ?? NOBODY)));
  for (let index = 1; index <= spec.nodes; index++) {
    const subject = { commonName: `system:node:node${index}`, organization: "system:nodes" };
    put(`node${index}.kubeconfig`, config(inside, clientCertificate(maker, subject)));
  }
  const outside = `https://${outsideLink(spec.slot).cluster}:${API_PORT}`;
  const admin = clientCertificate(maker, CLIENTS["admin"] ?? NOBODY);
  writeFileSync(paths.kubeconfig, config(outside, admin), { mode: 0o600 });
}

const NOBODY: Subject = { commonName: "nobody" };

const generate = promisify(generateKeyPair);

function rsaKey(): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
  return generate("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
}

function serverCertificate(maker: Maker, spec: ClusterSpec): string {
  const service = "kubernetes.default.svc.cluster.local".split(".");
  const names = service.map((_, i) => service.slice(0, i + 1).join("."));
  const addresses = [
    ...[CONTROL, API_SERVICE].flatMap(({ v4, v6 }) => [v4, v6]),
    outsideLink(spec.slot).cluster,
    "127.0.0.1",
  ];
  return sign(maker, { commonName: "kube-apiserver" }, [
    { name: "keyUsage", digitalSignature: true, keyEncipherment: true },
    { name: "extKeyUsage", serverAuth: true },
    {
      name: "subjectAltName",
      // Kinds of GeneralName (RFC 5280 section 4.2.1.6): 2 is a DNS name, 7 an address.
      altNames: [
        ...["localhost", ...names].map((value) => ({ type: 2, value })),
        ...addresses.map((ip) => ({ type: 7, ip })),
      ],
    },
  ]);
}

function clientCertificate(maker: Maker, subject: Subject): string {
  return sign(maker, subject, [
    { name: "keyUsage", digitalSignature: true },
    { name: "extKeyUsage", clientAuth: true },
  ]);
}

let serial = 0;

function sign(maker: Maker, subject: Subject, extensions: object[]): string {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = maker.publicKey;
  // Positive whatever its digits: DER reads a leading bit as a sign.
  serial++;
  certificate.serialNumber = `01${serial.toString(16).padStart(6, "0")}`;
  certificate.validity.notBefore = new Date(Date.now() - DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + 365 * DAY_MS);
  certificate.setSubject(nameOf(subject));
  certificate.setIssuer(maker.caName);
  certificate.setExtensions(extensions);
  certificate.sign(maker.caKey, forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate).replaceAll("\r", "");
}

function nameOf({ commonName, organization }: Subject): forge.pki.CertificateField[] {
  const fields: forge.pki.CertificateField[] = [];
  if (organization !== undefined) fields.push({ shortName: "O", value: organization });
  return [...fields, { shortName: "CN", value: commonName }];
}

/** Everything inside, so that the file can be carried to where no other file is. JSON is YAML. */
function kubeconfig(server: string, ca: string, certificate: string, key: string): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server, "certificate-authority-data": base64(ca) } }],
    users: [
      {
        name: "u",
        user: {
          "client-certificate-data": base64(certificate),
          "client-key-data": base64(key),
        },
      },
    ],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    "current-context": "c",
  });
}
