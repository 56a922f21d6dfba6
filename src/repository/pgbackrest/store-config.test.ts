import { describe, expect, it } from "vitest";
import type { S3Repository } from "./config.ts";
import { storeConfigOf } from "./store-config.ts";

const repository: S3Repository = {
  key: 1,
  type: "s3",
  bucket: "demo",
  endpoint: "minio:9000",
  region: "fr-par",
  path: "/cluster-demo",
  verifyTls: true,
};

describe("an S3 repository as a store", () => {
  it("is found where pgBackRest finds it: TLS, the bucket in the host name, the path below it", () => {
    expect(storeConfigOf(repository)).toMatchObject({
      bucket: "demo",
      prefix: "cluster-demo/",
      endpoint: "https://minio:9000",
      addressing: "host",
      region: "fr-par",
      verifyTls: true,
      credentials: { kind: "ambient" },
    });
  });

  it("takes an endpoint that is an URL, a path that is the root, and what the Stanza says of trust", () => {
    const other = { ...repository, endpoint: "https://s3.example.com/", path: "/", verifyTls: false } as const;
    expect(
      storeConfigOf({ ...other, uriStyle: "path", ca: "PEM" }, { accessKeyId: "a", secretAccessKey: "s" }),
    ).toMatchObject({
      prefix: "",
      endpoint: "https://s3.example.com",
      addressing: "path",
      verifyTls: false,
      ca: "PEM",
      credentials: { kind: "keys", accessKeyId: "a", secretAccessKey: "s" },
    });
  });
});
