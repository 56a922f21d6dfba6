import { describe, expect, it } from "vitest";
import { validate } from "./gen/object-store.validator.js";
import { readViolations, violations } from "./violations.ts";

const s3Credentials = { inheritFromIAMRole: true };
const told = (changes: Readonly<Record<string, unknown>>, beside: Readonly<Record<string, unknown>> = {}): string[] => {
  validate({ configuration: { destinationPath: "s3://b/", s3Credentials, ...changes }, ...beside });
  return violations("spec", validate.errors).map((line) => line.replace("spec.configuration", ""));
};

describe("a violation of the schema", () => {
  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ["a misspelt field", { wal: { compresion: "gzip" } }, ".wal.compresion: unknown field (did you mean compression?)"],
    [
      "a field out of nowhere",
      { endpointCA: { name: "a", key: "b", zz: 1 } },
      ".endpointCA.zz: unknown field (known here: name, key)",
    ],
    ["a name that is no word", { wal: { "a/b~c": 1 } }, '.wal["a/b~c"]: unknown field (known here: '],
    ["a missing field", { endpointCA: { name: "a" } }, ".endpointCA.key: required"],
    ["another type", { wal: { maxParallel: "4" } }, ".wal.maxParallel: must be a whole number, not a text"],
    ["null", { wal: null }, ".wal: must be an object, not null"],
    ["a list", { wal: [] }, ".wal: must be an object, not a list"],
    ["one of few words", { wal: { encryption: "AES" } }, '.wal.encryption: must be one of AES256, aws:kms, not "AES"'],
    ["too little", { data: { jobs: 0 } }, ".data.jobs: must be at least 1, not 0"],
    ["too much", { data: { jobs: 99 } }, ".data.jobs: must be at most 32, not 99"],
    ["nothing", { destinationPath: "" }, ".destinationPath: must not be empty"],
    [
      "an entry of a list",
      { wal: { restoreAdditionalCommandArgs: ["a", 7] } },
      ".wal.restoreAdditionalCommandArgs[1]: must be a text, not 7",
    ],
  ])("is told with its path: %s", (_, changes, line) => {
    expect(told(changes)).toEqual([expect.stringContaining(line)]);
  });

  it.each<[Readonly<Record<string, unknown>>, string]>([
    [{ retentionPolicy: "30" }, 'spec.retentionPolicy: cannot be "30" (write a number and d, w or m, such as 30d)'],
    [
      { instanceSidecarConfiguration: { additionalContainerArgs: ["-v"] } },
      "spec.instanceSidecarConfiguration.additionalContainerArgs: not supported (leave it out)",
    ],
    [
      { instanceSidecarConfiguration: { resources: { limits: { cpu: [] } } } },
      "spec.instanceSidecarConfiguration.resources.limits.cpu: must be a number or a text, not a list",
    ],
  ])("%j says what to write", (beside, line) => {
    expect(told({}, beside)).toEqual([line]);
  });

  it("that makes the object unreadable is told first, however many fields there are too many", () => {
    const fields = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`field${n}`, 1]));
    validate({ ...fields, configuration: { destinationPath: 7 } });
    expect(readViolations("spec", validate.errors)[0]).toMatchObject({
      field: "spec.configuration.destinationPath",
      isUnknownField: false,
    });
  });

  it("never makes a long story of a long value", () => {
    const fields = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`${"x".repeat(100)}${n}`, 1]));
    validate({ configuration: fields });
    const found = readViolations("spec", validate.errors);
    expect(found.length).toBeLessThanOrEqual(100);
    validate({ configuration: { destinationPath: "s3://b", wal: { compression: "z".repeat(10_000) } } });
    expect(violations("spec", validate.errors).join("").length).toBeLessThan(500);
  });
});
