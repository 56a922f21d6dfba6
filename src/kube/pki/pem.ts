// PEM bundles: several certificates in one text.
import { X509Certificate } from "node:crypto";

/** The certificates of a bundle, each with its markers and a final newline. */
export const splitCertificates = (bundle: string): readonly string[] =>
  (bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => `${pem}\n`);

export const joinCertificates = (certificates: readonly string[]): string =>
  certificates.map((pem) => (pem.endsWith("\n") ? pem : `${pem}\n`)).join("");

/** undefined when the text is no certificate. */
export function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
