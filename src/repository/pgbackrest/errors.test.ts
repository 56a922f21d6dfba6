import { describe, expect, it } from "vitest";
import { pgbackrestError } from "./errors.ts";

const request = (status: string, code: string): readonly string[] => [
  `HTTP request failed with ${status}:`,
  "*** Path/Query ***:",
  "PUT /account/container/archive/main/archive.info",
  "*** Response Content ***:",
  `<Error><Code>${code}</Code><Message>no</Message></Error>`,
];

describe("what pgBackRest says of a failed request", () => {
  it("is told by its first line and the provider's code", () => {
    const { message } = pgbackrestError("repo-put", 39, [`[039]: ${request("404 (Not Found)", "x").at(0)}`]);
    expect(message).toBe("pgbackrest repo-put: [039]: HTTP request failed with 404 (Not Found):");
    const said = pgbackrestError("repo-put", 39, request("404 (Not Found)", "ContainerNotFound"));
    expect(said.message).toBe("pgbackrest repo-put: HTTP request failed with 404 (Not Found): ContainerNotFound");
  });

  it("is told of each repository that failed", () => {
    const one = request("403 (Forbidden)", "SignatureDoesNotMatch");
    const two = request("403 (no)", "AuthorizationFailure");
    const said = ["[103]: unable to find a valid repository:"];
    for (const [index, [first, ...rest]] of [one, two].entries())
      said.push(`repo${index + 1}: [ProtocolError] ${first}`, ...rest);
    expect(pgbackrestError("archive-get", 103, said)).toMatchObject({
      kind: "Denied",
      repositories: [1, 2],
      message: expect.stringMatching(/SignatureDoesNotMatch repo2: .*AuthorizationFailure$/) as string,
    });
  });

  it("holds no signature that it could not read", () => {
    const said = ["[029]: invalid key/value 'c2VjcmV0==' in query 'c2VjcmV0=='"];
    expect(pgbackrestError("info", 29, said).message).not.toContain("c2VjcmV0");
  });
});
