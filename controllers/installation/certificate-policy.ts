// How long our certificates live, from one setting of the Deployment: CERTIFICATE_LIFETIME, "90d" when it is not set. Pure.
import { usualPolicy, type CertificatePolicy } from "#kube/pki/plan.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Throws RangeError, with what to write, for text that is no duration. */
export function certificatePolicy(lifetime: string | undefined): CertificatePolicy {
  if (lifetime === undefined || lifetime === "") return usualPolicy;
  const [, count, unit = ""] = /^([1-9][0-9]*)([smhd])$/.exec(lifetime) ?? [];
  if (count === undefined)
    throw new RangeError(
      `CERTIFICATE_LIFETIME is ${JSON.stringify(lifetime)}: write a number and s, m, h or d, as in 90d`,
    );
  const leafLifeMs = Number(count) * (unitMs[unit] ?? 0);
  return {
    ...usualPolicy,
    leafLifeMs,
    authorityLifeMs: 4 * leafLifeMs,
    graceMs: Math.min(usualPolicy.graceMs, leafLifeMs / 3),
  };
}
