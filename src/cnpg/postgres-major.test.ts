import { describe, expect, it } from "vitest";
import { presentMajor, wantedMajor } from "./postgres-major.ts";

const withImage = (imageName: string) => ({ spec: { imageName } });

describe("the major version of PostgreSQL", () => {
  it.each([
    ["ghcr.io/cloudnative-pg/postgresql:17", 17],
    ["ghcr.io/cloudnative-pg/postgresql:17.2-standard-bookworm", 17],
    ["registry.example:5000/postgresql:16.4@sha256:0123456789abcdef", 16],
    ["registry.example:5000/postgresql", undefined],
    ["postgresql@sha256:12", undefined],
    ["postgresql:latest", undefined],
    ["postgresql:20240101", undefined],
  ])("in image %s is %s", (image, major) => {
    expect(wantedMajor(withImage(image))).toBe(major);
  });

  it("is that of the catalog's entry, and of the data where CloudNativePG tells", () => {
    const cluster = { spec: { imageCatalogRef: { major: 18 } }, status: { pgDataImageInfo: { majorVersion: 17 } } };
    expect(wantedMajor(cluster)).toBe(18);
    expect(presentMajor(cluster)).toBe(17);
    expect(presentMajor(withImage("postgresql:15"))).toBe(15);
    expect(wantedMajor({})).toBeUndefined();
  });
});
