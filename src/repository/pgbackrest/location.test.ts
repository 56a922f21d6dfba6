import { describe, expect, it } from "vitest";
import type { StanzaSpec } from "./config.ts";
import { stanzaLocations } from "./location.ts";

const at = (configuration: unknown, namespace = "db"): readonly string[] =>
  stanzaLocations({ stanzaConfiguration: configuration } as StanzaSpec, namespace);
const s3 = (changes: object = {}, name: unknown = "main", namespace?: string) =>
  at({ name, s3Repositories: [{ bucket: "b", endpoint: "minio:9000", repoPath: "/pg", ...changes }] }, namespace);

describe("the places of a Stanza", () => {
  it("are the same however a server and a path are written", () => {
    const [place] = s3();
    expect(place).toBeDefined();
    expect(s3({ endpoint: "https://minio.db.svc.cluster.local:9000/", repoPath: "/pg/" })).toEqual([place]);
    expect(s3({ endpoint: "minio.db:9000" }, "main", "other")).toEqual([place]);
    expect(s3({ endpoint: "s3.eu-west-1.amazonaws.com" })).toEqual(s3({ endpoint: "https://s3.amazonaws.com" }));
  });

  it("are others in another namespace, bucket, path or stanza", () => {
    const places = [s3(), s3({}, "main", "other"), s3({ bucket: "c" }), s3({ repoPath: "/x" }), s3({}, "other")].flat();
    expect(new Set(places).size).toBe(5);
  });

  it("are one for each repository, S3 first, and Azure's own server when none is named", () => {
    const azure = { account: "a", container: "c", repoPath: "/pg" };
    const both = at({ name: "main", azureRepositories: [azure, { ...azure, endpoint: "blob.core.windows.net" }] });
    expect(both).toEqual([
      "azure blob.core.windows.net:443 a c /pg main",
      "azure blob.core.windows.net:443 a c /pg main",
    ]);
  });

  it.each([
    undefined,
    null,
    7,
    { name: "x", s3Repositories: "x" },
    { name: "x", s3Repositories: [null, 7, {}, { bucket: {} }] },
    { name: 7, s3Repositories: [{ bucket: "b", endpoint: "m", repoPath: "/" }] },
    { name: "x", s3Repositories: [{ bucket: "b", endpoint: "a b:c", repoPath: "/" }] },
  ])("are none of a spec that was stored under another schema: %j", (configuration) => {
    expect(at(configuration)).toEqual([]);
  });
});
