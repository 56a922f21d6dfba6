import { describe, expect, it } from "vitest";
import { locationOf } from "./location.ts";

const at = (destinationPath: string, endpointURL?: string, namespace = "one"): string | undefined =>
  locationOf({ configuration: { destinationPath, ...(endpointURL !== undefined && { endpointURL }) } }, namespace);

describe("two stores share their data", () => {
  it.each<[string, string | undefined, string | undefined]>([
    ["a slash at the end more", at("s3://b/pg"), at("s3://b/pg/")],
    ["a slash at the begin more", at("s3://b/pg"), at("s3://b//pg")],
    ["a slash after the endpoint", at("s3://b", "http://minio:9000"), at("s3://b", "http://minio:9000/")],
    ["the port that goes without saying", at("s3://b", "https://s3.example"), at("s3://b", "https://S3.example:443/")],
    ["the Service's long name", at("s3://b", "http://minio:9000"), at("s3://b", "http://minio.one.svc:9000")],
    ["its short one", at("s3://b", "http://minio:9000"), at("s3://b", "http://minio.one:9000", "two")],
    ["its longest", at("s3://b", "http://minio:9000"), at("s3://b", "http://minio.one.svc.cluster.local:9000", "two")],
    ["Amazon's endpoint spelt out", at("s3://b"), at("s3://b", "https://s3.eu-west-1.amazonaws.com")],
  ])("with %s", (_, one, other) => {
    expect(one).toBeDefined();
    expect(one).toBe(other);
  });
});

describe("two stores have nothing in common", () => {
  it.each<[string, string | undefined, string | undefined]>([
    ["in two buckets", at("s3://a/pg"), at("s3://b/pg")],
    ["in two folders", at("s3://b/pg"), at("s3://b/pg2")],
    ["on two servers", at("s3://b", "http://minio:9000"), at("s3://b", "http://other:9000")],
    ["on two ports", at("s3://b", "http://minio:9000"), at("s3://b", "http://minio:9001")],
    [
      "behind Services of two namespaces",
      at("s3://b", "http://minio:9000", "one"),
      at("s3://b", "http://minio:9000", "two"),
    ],
  ])("%s", (_, one, other) => {
    expect(one).not.toBe(other);
  });

  it("and one that names no bucket is nowhere", () => {
    expect(at("backups")).toBeUndefined();
    expect(at("s3://b", "minio")).toBeUndefined();
    for (const spec of [undefined, {}, { configuration: null }, { configuration: { destinationPath: 7 } }])
      expect(locationOf(spec as never, "one")).toBeUndefined();
  });
});
