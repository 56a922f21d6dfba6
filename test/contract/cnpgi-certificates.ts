// Throw-away certificate authorities for the contract tests of the gRPC server and of stores behind TLS.
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";

// @peculiar/x509 wires itself with decorators that need the three metadata functions; a map does for a test.
const metadata = new WeakMap<object, Map<unknown, unknown>>();
const own = (key: unknown, target: object): unknown => metadata.get(target)?.get(key);
Object.assign(Reflect, {
  getOwnMetadata: own,
  getMetadata: (key: unknown, target: object): unknown => {
    for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
      if (metadata.get(at)?.has(key) === true) return own(key, at);
    }
    return undefined;
  },
  defineMetadata: (key: unknown, value: unknown, target: object): void => {
    metadata.set(target, new Map(metadata.get(target)).set(key, value));
  },
});
const x509 = await import("@peculiar/x509");

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;

export interface Leaf {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority {
  readonly certificate: string;
  /** An address stands among the DNS names as well: pgBackRest looks for it there, others as an address. */
  issue(purpose: "server" | "client", host: string): Promise<Leaf>;
}

/** A CA with its own key; every call makes an unrelated one. */
export async function makeAuthority(name: string): Promise<Authority> {
  const keys = await newKeys();
  const issuer = `CN=${name}`;
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validity(),
      serialNumber: serial(),
      name: issuer,
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      ],
    },
    webcrypto,
  );
  const issue = async (purpose: "server" | "client", host: string): Promise<Leaf> => {
    const leafKeys = await newKeys();
    const usage = purpose === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
    const leaf = await x509.X509CertificateGenerator.create(
      {
        ...validity(),
        serialNumber: serial(),
        subject: `CN=${host}`,
        issuer,
        publicKey: leafKeys.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.SubjectAlternativeNameExtension([
            { type: "dns", value: host },
            ...(isIP(host) === 0 ? [] : [{ type: "ip", value: host } as const]),
          ]),
          new x509.ExtendedKeyUsageExtension([usage]),
        ],
      },
      webcrypto,
    );
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", leafKeys.privateKey);
    return { certificate: leaf.toString("pem"), key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
  };
  return { certificate: root.toString("pem"), issue };
}

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

const validity = () => ({ notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) });

const serial = (): string =>
  Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)))
    .toString("hex")
    .replace(/^./, "1");
