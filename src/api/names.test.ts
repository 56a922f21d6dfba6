import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isObjectName, objectName, runName } from "./names.ts";

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
    fc.assert(fc.property(fc.string({ minLength: 1 }), (server) => isObjectName(objectName(server))));
  });
});

describe("names of scheduled backups", () => {
  const planned = new Date("2026-11-26T02:00:00Z");

  it("are the schedule's and the planned time", () => {
    expect(runName("nightly", planned)).toBe("nightly-20261126020000");
    expect(runName("nightly", planned, "a1b2c")).toBe("nightly-20261126020000-a1b2c");
  });

  it("are valid and keep their time however long the schedule's name is, and keep two schedules apart", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,80}[a-z0-9])?$/),
        fc.constantFrom("", "a1b2c"),
        (schedule, tail) => {
          const name = runName(schedule, planned, tail);
          return isObjectName(name) && name.includes("-20261126020000");
        },
      ),
    );
    expect(runName(`${"x".repeat(60)}a`, planned)).not.toBe(runName(`${"x".repeat(60)}b`, planned));
    expect(runName("a.b", planned)).not.toBe(runName("a-b", planned));
  });
});
