// How long our certificates live, from one setting of the Deployment: CERTIFICATE_LIFETIME, "90d" when it is not set. Pure.
import { usualPolicy, type CertificatePolicy } from "#kube/pki/plan.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Replicas look for a renewed certificate every 10 s, and a third of its life is left for that. */
const lifeLeastMs = 45_000;
/** Of much more the end could not be written as a date. */
const lifeMostMs = 3_650 * 86_400_000;

/** Throws RangeError, with what to write, for text that is no duration, or one out of bounds. */
export function certificatePolicy(lifetime: string | undefined): CertificatePolicy {
  if (lifetime === undefined || lifetime === "") return usualPolicy;
  const [, count, unit = ""] = /^([1-9][0-9]*)([smhd])$/.exec(lifetime) ?? [];
  const leafLifeMs = Number(count) * (unitMs[unit] ?? 0);
  if (!(leafLifeMs >= lifeLeastMs && leafLifeMs <= lifeMostMs))
    throw new RangeError(
      `CERTIFICATE_LIFETIME is ${JSON.stringify(lifetime)}: write a number and s, m, h or d, as in 90d, from 45s to 3650d`,
    );
  return {
    ...usualPolicy,
    leafLifeMs,
    authorityLifeMs: 4 * leafLifeMs,
    graceMs: Math.min(usualPolicy.graceMs, leafLifeMs / 3),
  };
}
