import { describe, expect, it } from "vitest";
import type { Outcome } from "./check.ts";
import { StoreError, type StoreErrorKind } from "./errors.ts";
import { judgeAccess } from "./preflight-access.ts";
import type { BucketAnswer, StoreAddress } from "./probe.ts";

const address: StoreAddress = { host: "minio", port: 9000, tls: false, style: "path", bucketNamedTwice: false };
const listed: Outcome<unknown> = { value: undefined, latencyMs: 2 };
const refused = (kind: StoreErrorKind, loginRefused = false): Outcome<unknown> => ({
  error: new StoreError(kind, "list s3://b: no", { loginRefused }),
  latencyMs: 2,
});

interface Given {
  readonly answer?: BucketAnswer;
  readonly listing?: Outcome<unknown>;
  readonly ownEndpoint?: boolean;
  readonly bucketNamedTwice?: boolean;
  readonly speaksTls?: boolean;
}
const judge = ({
  answer = { clockAheadMs: 0 },
  listing = listed,
  ownEndpoint = true,
  bucketNamedTwice = false,
  speaksTls = false,
}: Given) => {
  const probe = { address: { ...address, bucketNamedTwice }, region: "eu-west-3", ownEndpoint };
  const checks = judgeAccess({ probe, bucket: { value: answer, latencyMs: 1 }, listing, speaksTls });
  return Object.fromEntries(checks.map((check) => [check.name, check]));
};

describe("the clock", () => {
  it.each([
    [0, "Passed"],
    [-59_000, "Passed"],
    [61_000, "Warning"],
    [-899_000, "Warning"],
    [901_000, "Failed"],
    [-3_600_000, "Failed"],
  ])("that is %i ms ahead is %s", (clockAheadMs, status) => {
    expect(judge({ answer: { clockAheadMs } })["ClockSkew"]).toMatchObject({ status });
  });

  it("is told in words that stay the same while it drifts", () => {
    const messageAt = (clockAheadMs: number) => judge({ answer: { clockAheadMs } })["ClockSkew"]?.message;
    expect(messageAt(1_000_000)).toBe(messageAt(1_100_000));
    expect(messageAt(1_000_000)).toMatch(/more than 15 minutes ahead of ours.*synchronise/);
    expect(messageAt(-1_000_000)).toMatch(/more than 15 minutes behind ours/);
  });

  it("is not known when the answer has no date", () => {
    expect(judge({ answer: {} })["ClockSkew"]).toMatchObject({ status: "Unknown" });
  });

  it("that the provider itself complains of is no matter of login or listing", () => {
    expect(judge({ answer: {}, listing: refused("ClockSkew") })).toMatchObject({
      ClockSkew: { status: "Failed", reason: "ClockSkew" },
      Login: { status: "NotRun" },
      List: { status: "NotRun" },
    });
  });
});

describe("the region", () => {
  it("is right when a listing signed for it is answered", () => {
    expect(judge({})["Region"]).toMatchObject({ status: "Passed" });
  });

  it("that is wrong is told with the right one, where the provider says it", () => {
    const listing = refused("RegionMismatch");
    expect(judge({ answer: { region: "us-west-2" }, listing })).toMatchObject({
      Region: {
        status: "Failed",
        reason: "RegionMismatch",
        message: expect.stringContaining("set s3Credentials.region to us-west-2"),
      },
      List: { status: "NotRun" },
    });
    expect(judge({ listing })["Region"]).toMatchObject({ status: "Failed", reason: "RegionMismatch" });
  });

  it("that AWS redirects from is a warning; what a store of one's own calls itself is not", () => {
    const answer = { region: "us-west-2" };
    expect(judge({ answer, ownEndpoint: false })["Region"]).toMatchObject({ status: "Warning" });
    expect(judge({ answer, ownEndpoint: true })["Region"]).toMatchObject({ status: "Passed" });
  });

  it("that requests are signed for is told to nobody: it is what stands in a Secret", () => {
    const listings = [listed, refused("RegionMismatch"), refused("AccessDenied")];
    const judged = [{}, { region: "eu-west-3" }, { region: "us-west-2" }].flatMap((answer) =>
      listings.flatMap((listing) => [judge({ answer, listing }), judge({ answer, listing, ownEndpoint: false })]),
    );
    expect(JSON.stringify(judged)).not.toContain("eu-west-3");
  });

  it("is not known when nobody says it", () => {
    expect(judge({ listing: refused("AccessDenied") })["Region"]).toMatchObject({ status: "Unknown" });
  });
});

describe("addressing", () => {
  it("is astray when the endpoint names the bucket too and the listing does not find it", () => {
    for (const kind of ["NotFound", "NoSuchBucket", "Unsupported"] as const) {
      expect(judge({ bucketNamedTwice: true, listing: refused(kind) })["Addressing"]).toMatchObject({
        status: "Failed",
        reason: "AddressingMismatch",
        message: expect.stringContaining("endpointURL without the bucket"),
      });
    }
  });

  it("is astray when a server that speaks TLS is asked over plain http", () => {
    expect(judge({ speaksTls: true, listing: refused("Unsupported") })["Addressing"]).toMatchObject({
      status: "Failed",
      message: expect.stringContaining("write https:"),
    });
  });

  it("is right when the listing finds the bucket, whatever the host is called", () => {
    expect(judge({ bucketNamedTwice: true })["Addressing"]).toMatchObject({ status: "Passed" });
  });
});

describe("the login", () => {
  it("is refused when the provider says so, and the listing then says nothing", () => {
    expect(judge({ listing: refused("AccessDenied", true) })).toMatchObject({
      Login: { status: "Failed", reason: "AccessDenied" },
      List: { status: "NotRun", reason: "NotChecked" },
    });
  });

  it("is not known when only the listing is denied", () => {
    expect(judge({ listing: refused("AccessDenied") })).toMatchObject({
      Login: { status: "Unknown" },
      List: { status: "Failed", reason: "AccessDenied" },
    });
  });

  it("is accepted when the listing is answered", () => {
    expect(judge({})).toMatchObject({ Login: { status: "Passed" }, List: { status: "Passed" } });
  });
});

it("silence proves nothing", () => {
  expect(judge({ answer: {}, listing: refused("EndpointUnreachable") })).toMatchObject({
    ClockSkew: { status: "Unknown" },
    Region: { status: "Unknown" },
    Addressing: { status: "Unknown" },
    Login: { status: "Unknown" },
    List: { status: "Unknown", reason: "EndpointUnreachable" },
  });
});
