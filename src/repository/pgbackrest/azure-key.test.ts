import { describe, expect, it } from "vitest";
import { azureKeyProblem } from "./azure-key.ts";

const key = Buffer.alloc(64, 7).toString("base64");
const signature = "sv=2021-06-08&ss=b&srt=sco&sp=rwdl&se=2027-01-01T00:00:00Z&spr=https&sig=a%2Bb%2Fc%3D";

describe("the key of a repository in Azure", () => {
  it("is taken in the form that its kind has", () => {
    expect(azureKeyProblem("shared", key)).toBeUndefined();
    for (const text of [signature, `?${signature}`]) expect(azureKeyProblem("sas", text)).toBeUndefined();
  });

  it.each([
    ["sas", key, "keyType: shared"],
    ["sas", signature.replace("%3D", "="), "with %"],
    ["sas", "sv=2021-06-08&sp=rwdl", "with %"],
    ["sas", `${signature}&x`, "with %"],
    ["sas", `${signature}%zz`, "with %"],
    ["shared", signature, "keyType: sas"],
    ["shared", key.slice(1), "key1"],
    ["shared", `${key} `, "key1"],
  ] as const)("is refused as %s when it cannot be read: %s", (keyType, value, hint) => {
    const problem = azureKeyProblem(keyType, value);
    expect(problem?.hint).toContain(hint);
    expect(JSON.stringify(problem)).not.toContain(value.slice(0, 12));
  });
});
