import { describe, expect, it } from "vitest";
import { CnpgError } from "#cnpg/errors.ts";
import { ArchiveError } from "#engine/archive/errors.ts";
import { BackupError } from "#engine/backup/errors.ts";
import { RestoreError } from "#engine/restore/errors.ts";
import { KubeError } from "#kube/errors.ts";
import { StoreConfigError } from "#store/config.ts";
import { StoreError } from "#store/errors.ts";
import { RpcError, statusOf } from "./status-code.ts";

const aborted = (cause: unknown): Error =>
  Object.assign(new Error("the operation was aborted", { cause }), { name: "AbortError" });

describe("the status of an error", () => {
  const cases: readonly [string, unknown, string, string][] = [
    ["its own", new RpcError("NOT_FOUND", "no such segment"), "NOT_FOUND", "no such segment"],
    [
      "an absent key",
      new StoreError("NotFound", "backup.info is missing"),
      "FAILED_PRECONDITION",
      "backup.info is missing",
    ],
    ["refused credentials", new StoreError("AccessDenied", "put refused"), "FAILED_PRECONDITION", "put refused"],
    ["an outage", new StoreError("EndpointUnreachable", "connection refused"), "UNAVAILABLE", "connection refused"],
    [
      "a hint",
      new StoreError("NoSuchBucket", "no bucket b", { hint: "Create it." }),
      "FAILED_PRECONDITION",
      "no bucket b (Create it.)",
    ],
    ["a refused API call", new KubeError("Forbidden", "cannot get secret"), "FAILED_PRECONDITION", "cannot get secret"],
    ["an API server away", new KubeError("Unavailable", "no answer"), "UNAVAILABLE", "no answer"],
    ["a missing segment", new ArchiveError("NotFound", "no 00…1"), "NOT_FOUND", "no 00…1"],
    [
      "a taken archive",
      new ArchiveError("ForeignArchive", "it is another's", { hint: "Use another serverName." }),
      "FAILED_PRECONDITION",
      "it is another's (Use another serverName.)",
    ],
    ["a promotion", new BackupError("Promoted", "standby became primary"), "ABORTED", "standby became primary"],
    ["a full disk", new RestoreError("NoSpace", "too small"), "RESOURCE_EXHAUSTED", "too small"],
    ["a missing Secret", new StoreConfigError("SecretNotFound", "no secret s"), "FAILED_PRECONDITION", "no secret s"],
    ["an unreadable request", new CnpgError("Malformed", "no JSON"), "INVALID_ARGUMENT", "no JSON"],
    [
      "an abort for a known reason",
      aborted(new RpcError("UNAVAILABLE", "shutting down")),
      "UNAVAILABLE",
      "shutting down",
    ],
    ["an abort for no known reason", aborted(undefined), "CANCELLED", "the operation was aborted"],
    ["a timeout", new DOMException("took too long", "TimeoutError"), "DEADLINE_EXCEEDED", "took too long"],
    ["a bug", new TypeError("x is not a function"), "INTERNAL", "x is not a function"],
    ["a bug without words", new RangeError(), "INTERNAL", "RangeError"],
    ["a thrown string", "boom", "INTERNAL", "a handler threw something that is not an error"],
  ];
  it.each(cases)("keeps code and text of %s", (_, error, code, message) => {
    expect(statusOf(error)).toMatchObject({ code, message });
  });

  it("is one line of bounded length", () => {
    expect(statusOf(new Error("first\n  second\r\nthird")).message).toBe("first second third");
    expect(statusOf(new Error("🚫".repeat(1_000))).message).toHaveLength(1_000);
  });
});
