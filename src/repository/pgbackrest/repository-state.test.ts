import { describe, expect, it } from "vitest";
import { inOneLine, repositoryError, stateOf, statusOf } from "./repository-state.ts";

const denied = `[ProtocolError] HTTP request failed with 403 (Forbidden):
*** Path/Query ***:
GET /demo/?list-type=2
*** Request Headers ***:
authorization: <redacted>
*** Response Content ***:
<?xml version="1.0"?><Error><Code>InvalidAccessKeyId</Code><Message>x</Message></Error>`;
/** As 2.45, 2.55 and 2.60 answer to a wrong passphrase. */
const undecrypted = `[FormatError] unable to load info file '/r/backup/main/backup.info' or '/r/backup/main/backup.info.copy':
FormatError: key/value found outside of section at line 1: \u0002\ufffd\ufffd
HINT: has a stanza-create been performed?`;

describe("the state of a repository", () => {
  it.each([
    [0, "ok", "Ok"],
    [2, "no valid backups", "NoBackup"],
    [1, "missing stanza path", "NoStanza"],
    [3, "missing stanza data", "Unknown"],
    [99, "[HostConnectError] unable to connect to 'minio:9000': [111] Connection refused", "Unreachable"],
    [99, "[HostConnectError] unable to get address for 'nowhere': [-2] Name or service not known", "Unreachable"],
    [
      99,
      "[CryptoError] unable to verify certificate presented by '127.0.0.1:9000': [20] unable to get issuer",
      "Unreachable",
    ],
    [99, "[CryptoError] unable to flush", "Refused"],
    [99, undecrypted, "Refused"],
    // One in some hundred passphrases gives bytes that begin with the end of a line.
    [99, undecrypted.replace("line 1:", "line 2:"), "Refused"],
    [99, "[ServiceError] HTTP request failed with 503 (Service Unavailable)", "Unreachable"],
    [99, denied, "Refused"],
    [99, "[FormatError] invalid checksum", "Unknown"],
    [17, "from a version to come", "Unknown"],
  ] as const)("%s %s is %s", (code, message, state) => {
    expect(stateOf(statusOf(message, code))).toBe(state);
  });

  it("names the provider's code and nothing else of a request", () => {
    expect(inOneLine(denied)).toBe("[ProtocolError] HTTP request failed with 403 (Forbidden): InvalidAccessKeyId");
  });

  it("becomes an error that says which repository, and what to do about a passphrase", () => {
    const { message } = statusOf(undecrypted, 99);
    // Also out of the one line that a status keeps.
    for (const text of [undecrypted, message]) {
      const error = repositoryError({ stanza: "main", key: 2 }, text);
      expect(error).toMatchObject({ kind: "AccessDenied", hint: expect.stringContaining("encryptionPass") });
      expect(error.message).toContain("repository 2 of stanza main");
      expect(error.message).toContain("the passphrase is wrong or missing");
    }
    const missing = repositoryError(
      { stanza: "main", key: 1 },
      "HTTP request failed with 404 (Not Found): NoSuchBucket",
    );
    expect(missing.kind).toBe("NoSuchBucket");
  });
});
