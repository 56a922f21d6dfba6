import { describe, expect, it } from "vitest";
import { inOneLine, problemOf, repositoryError, stateOf } from "./repository-state.ts";

const denied = `[ProtocolError] HTTP request failed with 403 (Forbidden):
*** Path/Query ***:
GET /demo/?list-type=2
*** Request Headers ***:
authorization: <redacted>
*** Response Content ***:
<?xml version="1.0"?><Error><Code>InvalidAccessKeyId</Code><Message>x</Message></Error>`;

describe("the state of a repository", () => {
  it.each([
    [0, "ok", "Ok"],
    [2, "no valid backups", "NoBackup"],
    [1, "missing stanza path", "NoStanza"],
    [3, "missing stanza data", "Unknown"],
    [99, "[HostConnectError] unable to connect to 'minio:9000': [111] Connection refused", "Unreachable"],
    [99, "[HostConnectError] unable to get address for 'nowhere': [-2] Name or service not known", "Unreachable"],
    [99, "[CryptoError] unable to load info file", "Refused"],
    [99, "[ServiceError] HTTP request failed with 503 (Service Unavailable)", "Unreachable"],
    [99, denied, "Refused"],
    [99, "[FormatError] invalid checksum", "Unknown"],
    [17, "from a version to come", "Unknown"],
  ] as const)("%s %s is %s", (code, message, state) => {
    expect(stateOf({ code, message })).toBe(state);
  });

  it("names the provider's code and nothing else of a request", () => {
    expect(inOneLine(denied)).toBe("[ProtocolError] HTTP request failed with 403 (Forbidden): InvalidAccessKeyId");
  });

  it("becomes an error that says which repository, and what to do about a passphrase", () => {
    const error = repositoryError({ stanza: "main", key: 2 }, "[CryptoError] unable to load info file");
    expect(error).toMatchObject({ kind: "AccessDenied", hint: expect.stringContaining("encryptionPass") });
    expect(error.message).toContain("repository 2 of stanza main");
    expect(problemOf("HTTP request failed with 404 (Not Found): NoSuchBucket")).toBe("NoSuchBucket");
  });
});
