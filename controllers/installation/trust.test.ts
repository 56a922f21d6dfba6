import { describe, expect, it } from "vitest";
import { planTrust, type WebhookConfiguration } from "./trust.ts";

const encoded = Buffer.from("pem").toString("base64");
const configuration = (...bundles: (string | undefined)[]): WebhookConfiguration => ({
  metadata: { name: "holdfast" },
  webhooks: bundles.map((caBundle, index) => ({
    name: `${index}.holdfast.dev`,
    clientConfig: caBundle === undefined ? {} : { caBundle },
  })),
});

describe("the authorities of the webhooks", () => {
  it("are written where they are missing or others, and only there", () => {
    expect(planTrust(configuration(undefined, encoded, "b2xk"), "pem")).toEqual([
      { op: "test", path: "/webhooks/0/name", value: "0.holdfast.dev" },
      { op: "add", path: "/webhooks/0/clientConfig/caBundle", value: encoded },
      { op: "test", path: "/webhooks/2/name", value: "2.holdfast.dev" },
      { op: "add", path: "/webhooks/2/clientConfig/caBundle", value: encoded },
    ]);
  });

  it("are not written when they are there, nor without webhooks", () => {
    expect(planTrust(configuration(encoded, encoded), "pem")).toEqual([]);
    expect(planTrust({ metadata: { name: "holdfast" } }, "pem")).toEqual([]);
  });
});
