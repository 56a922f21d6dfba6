import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isObjectName, objectName } from "./names.ts";

describe("names of objects", () => {
  it("joins parts that are names already", () => {
    expect(objectName("minio", "pg")).toBe("minio-pg");
  });

  it("keeps two servers apart that look the same once they are cleaned", () => {
    expect(objectName("minio", "pg_1")).not.toBe(objectName("minio", "pg.1"));
    expect(objectName("minio", "PG")).not.toBe(objectName("minio", "pg"));
  });

  it("is a valid name for any server", () => {
    fc.assert(fc.property(fc.string({ minLength: 1 }), (server) => isObjectName(objectName("store", server))));
  });
});
