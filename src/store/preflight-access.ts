// What the answers to two requests, "about the bucket" and "list it", say of clock, region, addressing, login and
// listing. Pure.
import { failed, notRunAfter, passed, stated, type Check, type Outcome } from "./check.ts";
import type { BucketAnswer, StoreProbe } from "./probe.ts";

/** S3 refuses requests whose signature is this far from its own clock. */
const skewMaxMs = 15 * 60_000;
const skewWarningMs = 60_000;

export interface Access {
  readonly probe: Pick<StoreProbe, "address" | "region" | "ownEndpoint">;
  readonly bucket: Outcome<BucketAnswer>;
  readonly listing: Outcome<unknown>;
  /** Whether an endpoint that is asked over plain http answers in TLS. */
  readonly speaksTls: boolean;
}

export const judgeAccess = (access: Access): readonly Check[] => [
  clockCheck(access),
  regionCheck(access),
  addressingCheck(access),
  loginCheck(access),
  listCheck(access),
];

function clockCheck({ bucket, listing }: Access): Check {
  if (listing.error !== undefined && listing.error.kind === "ClockSkew") return failed("ClockSkew", listing);
  const aheadMs = bucket.error === undefined ? bucket.value.clockAheadMs : undefined;
  if (aheadMs === undefined) return unsaid("ClockSkew", "the provider's answer has no date", bucket);
  const apartMs = Math.abs(aheadMs);
  if (apartMs <= skewWarningMs) return passed("ClockSkew", "the provider's clock and ours agree", bucket);
  const who = aheadMs > 0 ? "ahead of" : "behind";
  const isBroken = apartMs > skewMaxMs;
  const distance = isBroken ? "more than 15 minutes" : "more than a minute";
  const message = `the provider's clock is ${distance} ${who} ours; S3 refuses requests at 15 minutes (synchronise the node's clock)`;
  return stated("ClockSkew", { status: isBroken ? "Failed" : "Warning", reason: "ClockSkew", message }, bucket);
}

/** The region that requests are signed for is never told: it comes from a Secret, and anything may stand there. */
function regionCheck({ probe, bucket, listing }: Access): Check {
  const said = bucket.error === undefined ? bucket.value.region : undefined;
  const elsewhere = said !== undefined && said !== probe.region;
  const mend = `the bucket is in ${said}, requests are signed for another region (set s3Credentials.region to ${said})`;
  if (listing.error !== undefined && listing.error.kind === "RegionMismatch") {
    if (!elsewhere) return failed("Region", listing);
    return stated("Region", { status: "Failed", reason: "RegionMismatch", message: mend }, bucket);
  }
  // Stores of one's own often name a region that they do not insist on.
  if (elsewhere && !probe.ownEndpoint)
    return stated("Region", { status: "Warning", reason: "RegionMismatch", message: mend }, bucket);
  if (said === probe.region) return passed("Region", "requests are signed for the bucket's region", bucket);
  if (listing.error === undefined)
    return passed("Region", "requests are signed for a region that the provider accepts", bucket);
  return unsaid("Region", "the provider did not say where the bucket is", bucket);
}

function addressingCheck({ probe: { address }, listing, speaksTls }: Access): Check {
  const where = address.style === "path" ? "in the path" : "in the host name";
  if (listing.error === undefined) return passed("Addressing", `requests name the bucket ${where}`, listing);
  const mismatch = (message: string): Check =>
    stated("Addressing", { status: "Failed", reason: "AddressingMismatch", message }, listing);
  if (speaksTls) return mismatch("endpointURL begins with http:, but the server speaks TLS (write https:)");
  const { kind } = listing.error;
  const isAstray = kind === "NotFound" || kind === "NoSuchBucket" || kind === "Unsupported";
  if (isAstray && address.bucketNamedTwice)
    return mismatch(
      `requests name the bucket ${where}, but endpointURL names it already (write endpointURL without the bucket)`,
    );
  return unsaid(
    "Addressing",
    `requests name the bucket ${where}; the listing did not show whether that is right`,
    listing,
  );
}

function loginCheck({ listing }: Access): Check {
  if (listing.error === undefined) return passed("Login", "the provider accepts the login", listing);
  if (listing.error.loginRefused) return failed("Login", listing);
  if (listing.error.kind === "ClockSkew") return notRunAfter("Login", "ClockSkew");
  return unsaid("Login", "the provider did not say whether it accepts the login", listing);
}

function listCheck({ listing }: Access): Check {
  if (listing.error === undefined) return passed("List", "objects can be listed", listing);
  if (listing.error.loginRefused) return notRunAfter("List", "Login");
  if (listing.error.kind === "ClockSkew") return notRunAfter("List", "ClockSkew");
  if (listing.error.kind === "RegionMismatch") return notRunAfter("List", "Region");
  return failed("List", listing);
}

const unsaid = (name: Check["name"], message: string, outcome: Outcome<unknown>): Check =>
  stated(name, { status: "Unknown", reason: "NotChecked", message }, outcome);
