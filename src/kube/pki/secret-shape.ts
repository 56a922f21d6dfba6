// How keys and certificates lie in Secrets (type kubernetes.io/tls), and back.
//
// leaf:       tls.crt = leaf, then every trusted authority · tls.key · ca.crt = every trusted authority
// authority:  tls.crt = the issuer · tls.key · ca.crt as above · next.crt, next.key = the successor while it is published
//
// CNPG's operator takes all of the server Secret's tls.crt as its root pool and never looks at ca.crt, hence the chain.
import { joinCertificates, splitCertificates } from "./pem.ts";

/** PEM, the key as PKCS #8. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface AuthorityContent {
  readonly issuer?: KeyPair;
  readonly successor?: KeyPair;
  /** Issuer and successor included. */
  readonly trusted: readonly string[];
}

export interface LeafContent {
  readonly pair?: KeyPair;
  readonly trusted: readonly string[];
}

/** `data` of a Secret: base64. */
export type SecretData = Readonly<Record<string, string>>;

const encode = (text: string): string => Buffer.from(text, "utf8").toString("base64");
const decode = (data: SecretData, name: string): string => Buffer.from(data[name] ?? "", "base64").toString("utf8");

const pairOf = (certificate: string | undefined, key: string): KeyPair | undefined =>
  certificate === undefined || key === "" ? undefined : { certificate, key };

export function encodeAuthority({ issuer, successor, trusted }: AuthorityContent): SecretData {
  return {
    "tls.crt": encode(issuer?.certificate ?? ""),
    "tls.key": encode(issuer?.key ?? ""),
    "ca.crt": encode(joinCertificates(trusted)),
    ...(successor !== undefined && { "next.crt": encode(successor.certificate), "next.key": encode(successor.key) }),
  };
}

export function decodeAuthority(data: SecretData): AuthorityContent {
  const issuer = pairOf(splitCertificates(decode(data, "tls.crt"))[0], decode(data, "tls.key"));
  const successor = pairOf(splitCertificates(decode(data, "next.crt"))[0], decode(data, "next.key"));
  return {
    ...(issuer !== undefined && { issuer }),
    ...(successor !== undefined && { successor }),
    trusted: splitCertificates(decode(data, "ca.crt")),
  };
}

export const encodeLeaf = ({ pair, trusted }: LeafContent): SecretData => ({
  "tls.crt": encode(joinCertificates(pair === undefined ? trusted : [pair.certificate, ...trusted])),
  "tls.key": encode(pair?.key ?? ""),
  "ca.crt": encode(joinCertificates(trusted)),
});

export function decodeLeaf(data: SecretData): LeafContent {
  const [certificate, ...trusted] = splitCertificates(decode(data, "tls.crt"));
  const pair = pairOf(certificate, decode(data, "tls.key"));
  const published = splitCertificates(decode(data, "ca.crt"));
  // Both lists must be there; where they differ, none counts as published and the Secret is written again.
  const isSame = trusted.length === published.length && trusted.every((pem) => published.includes(pem));
  return { ...(pair !== undefined && { pair }), trusted: isSame ? published : [] };
}
