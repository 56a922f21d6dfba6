// Makes keys and certificates: ECDSA P-256 by WebCrypto. The only product file that imports @peculiar/x509, and only
// when something is to be made, which is seldom.
import { randomBytes, webcrypto } from "node:crypto";
import type { X509Certificate } from "@peculiar/x509";
import { provideReflectMetadata } from "./reflect-metadata.ts";
import type { KeyPair } from "./secret-shape.ts";

export type LeafUsage = "server" | "client";

/** Extended key usages (RFC 5280, 4.2.1.12). */
export const usageOids: Readonly<Record<LeafUsage, string>> = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
};

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface LeafRequest extends Validity {
  readonly usage: LeafUsage;
  /** The first is also the subject. */
  readonly dnsNames: readonly [string, ...string[]];
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

async function loadX509() {
  provideReflectMetadata();
  return import("@peculiar/x509");
}

const generateKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

/** 127 bits, of which 126 are random: positive, as RFC 5280 asks. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function exportPair(certificate: X509Certificate, privateKey: webcrypto.CryptoKey): Promise<KeyPair> {
  const { PemConverter } = await loadX509();
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", privateKey);
  return {
    certificate: `${certificate.toString("pem").trim()}\n`,
    key: `${PemConverter.encode(pkcs8, "PRIVATE KEY").trim()}\n`,
  };
}

/** A self-signed authority. Each has a subject of its own, so that chains are never looked up by the wrong one. */
export async function issueAuthority(validity: Validity): Promise<KeyPair> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const serial = serialNumber();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validity,
      serialNumber: serial,
      name: [{ O: ["holdfast"] }, { CN: [`holdfast-ca-${serial.slice(0, 8)}`] }],
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return exportPair(certificate, keys.privateKey);
}

/** A leaf with a new key; it never ends after its authority. */
export async function issueLeaf(authority: KeyPair, request: LeafRequest): Promise<KeyPair> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const issuer = new x509.X509Certificate(authority.certificate);
  const pkcs8 = x509.PemConverter.decodeFirst(authority.key);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: [{ O: ["holdfast"] }, { CN: [request.dnsNames[0].slice(0, 64)] }],
      issuer: issuer.subjectName.toJSON(),
      notBefore: request.notBefore,
      notAfter: request.notAfter < issuer.notAfter ? request.notAfter : issuer.notAfter,
      publicKey: keys.publicKey,
      signingKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]),
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usageOids[request.usage]]),
        new x509.SubjectAlternativeNameExtension(request.dnsNames.map((value) => ({ type: "dns", value }))),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export(webcrypto), false, webcrypto),
      ],
    },
    webcrypto,
  );
  return exportPair(certificate, keys.privateKey);
}
