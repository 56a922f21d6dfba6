import { describe, expect, it } from "vitest";
import { BackupError } from "../backup/errors.ts";
import { requireMajor } from "./server.ts";

describe("the PostgreSQL that pgBackRest backs up", () => {
  it("is one that the image's pgBackRest knows", () => {
    expect(() => requireMajor(170_005)).not.toThrow();
  });

  it("is refused with the pgBackRest that would know it", () => {
    const hint = "use an ObjectStore, or PostgreSQL 17";
    const message = "PostgreSQL 18 in a Stanza needs pgBackRest 2.57, and the image has 2.55";
    expect(() => requireMajor(180_000)).toThrow(new BackupError("Unsupported", message, { hint }));
  });

  it("is refused when Holdfast does not know it either", () => {
    expect(() => requireMajor(140_001)).toThrow("postgresql 14 is not supported yet");
  });
});
