import { describe, expect, it } from "vitest";
import { variableProblems } from "./variables.ts";

/** Of a Stanza with a repository in S3 and one in Azure. */
const problems = (given: Readonly<Record<string, string>>): string[] =>
  variableProblems(given, { s3: 1, azure: 1 }).map(({ field, message, hint }) => {
    expect(hint).not.toBe("");
    return `${field.replace(/^spec\.stanzaConfiguration\./, "")}: ${message} (${hint})`;
  });

describe("a variable is refused", () => {
  it.each<[string, string, string, string]>([
    ["of the system", "LD_PRELOAD", "/x", "not an option of pgBackRest"],
    ["of another's", "AWS_SECRET_ACCESS_KEY", "hunter2", "not an option of pgBackRest"],
    ["in small letters", "pgbackrest_io_timeout", "5", "capitals, digits and _ only"],
    ["with a space", "PGBACKREST_IO TIMEOUT", "5", "capitals, digits and _ only"],
    ["with an equals sign", "PGBACKREST_A=B", "5", "capitals, digits and _ only"],
    ["that negates", "PGBACKREST_NO_DELTA", "y", 'ignores "no" in a variable'],
    ["that resets", "PGBACKREST_RESET_PROCESS_MAX", "y", 'ignores "reset" in a variable'],
    ["that a field sets", "PGBACKREST_PROCESS_MAX", "4", "write spec.stanzaConfiguration.processMax"],
    ["that names the stanza", "PGBACKREST_STANZA", "x", "write spec.stanzaConfiguration.name"],
    ["with an option's old name", "PGBACKREST_ARCHIVE_QUEUE_MAX", "1GiB", "archive.pushQueueMax"],
    [
      "that a repository's field sets",
      "PGBACKREST_REPO1_PATH",
      "/x",
      "write spec.stanzaConfiguration.s3Repositories[0].repoPath",
    ],
    ["that switches verification off", "PGBACKREST_REPO1_S3_VERIFY_TLS", "n", "s3Repositories[0].verifyTLS"],
    ["that sets retention", "PGBACKREST_REPO2_RETENTION_FULL", "1", "azureRepositories[0].retentionPolicy.full"],
    [
      "with a passphrase",
      "PGBACKREST_REPO1_CIPHER_PASS",
      "hunter2",
      "name a Secret in spec.stanzaConfiguration.s3Repositories[0].cipherConfig.encryptionPass",
    ],
    ["with a key id", "PGBACKREST_REPO1_S3_KEY", "hunter2", "name a Secret in"],
    ["with a key", "PGBACKREST_REPO1_S3_KEY_SECRET", "hunter2", "secretRef.secretAccessKey"],
    ["with a token", "PGBACKREST_REPO1_S3_TOKEN", "hunter2", "holds a secret"],
    ["with a key of SSE-C", "PGBACKREST_REPO1_S3_SSE_CUSTOMER_KEY", "hunter2", "holds a secret"],
    ["with a key of Azure", "PGBACKREST_REPO2_AZURE_KEY", "hunter2", "azureRepositories[0].secretRef.keyReference"],
    ["with a key of Google", "PGBACKREST_REPO1_GCS_KEY", "hunter2", "holds a secret"],
    ["with a passphrase of SFTP", "PGBACKREST_REPO1_SFTP_PRIVATE_KEY_PASSPHRASE", "hunter2", "holds a secret"],
    ["of the operator's: its configuration", "PGBACKREST_CONFIG", "/x", "Holdfast sets it itself"],
    ["of the operator's: its log", "PGBACKREST_LOG_PATH", "/x", "Holdfast sets it itself"],
    ["of the operator's: its locks", "PGBACKREST_LOCK_PATH", "/x", "Holdfast sets it itself"],
    ["of the operator's: the database", "PGBACKREST_PG1_PATH", "/x", "Holdfast sets it itself"],
    ["of the operator's: another database", "PGBACKREST_PG2_HOST", "x", "Holdfast sets it itself"],
    ["of the operator's: the kind of a repository", "PGBACKREST_REPO1_TYPE", "posix", "Holdfast sets it itself"],
    ["of the operator's: a check that would lose data", "PGBACKREST_ARCHIVE_HEADER_CHECK", "n", "Holdfast sets it"],
    ["of one command: its repository", "PGBACKREST_REPO", "1", "goes with one run of a command"],
    ["of one command: its set", "PGBACKREST_SET", "x", "goes with one run of a command"],
    ["of one command: its type", "PGBACKREST_TYPE", "full", "goes with one run of a command"],
    ["of one command: its target", "PGBACKREST_TARGET_TIMELINE", "2", "goes with one run of a command"],
    ["of one command: what is restored", "PGBACKREST_DB_INCLUDE", "x", "goes with one run of a command"],
    ["of one command: another time of the bucket", "PGBACKREST_REPO_TARGET_TIME", "x", "goes with one run"],
    ["of a kind of repository that is none of ours", "PGBACKREST_REPO1_SFTP_HOST", "x", "are in S3 or in Azure"],
    ["of a repository host", "PGBACKREST_REPO1_HOST", "x", "are in S3 or in Azure"],
    ["of a repository that is not there", "PGBACKREST_REPO3_BUNDLE", "y", "there is no repository 3"],
    ["of repository 0", "PGBACKREST_REPO0_BUNDLE", "y", "there is no repository 0"],
    ["of no repository", "PGBACKREST_REPO_BUNDLE", "y", "write the number of a repository: PGBACKREST_REPO1_BUNDLE"],
    ["of S3 for Azure", "PGBACKREST_REPO2_S3_ROLE", "x", "repository 2 is in Azure"],
    ["of a folder of authorities", "PGBACKREST_REPO1_STORAGE_CA_PATH", "/x", "s3Repositories[0].endpointCA"],
    ["of such a folder by its old name", "PGBACKREST_REPO2_AZURE_CA_PATH", "/x", "azureRepositories[0].endpointCA"],
    ["of another server", "PGBACKREST_REPO1_STORAGE_HOST", "x", "s3Repositories[0].endpoint"],
    ["of another port", "PGBACKREST_REPO1_S3_PORT", "9000", "s3Repositories[0].endpoint"],
    ["that is no pair", "PGBACKREST_REPO1_STORAGE_TAG", "team", "name=value, several with a colon between"],
    ["of a newer pgBackRest", "PGBACKREST_PRIORITY", "5", "it needs pgBackRest 2.58, and the image has 2.55"],
    ["of a newer one's repository", "PGBACKREST_REPO1_SYMLINK", "n", "it needs pgBackRest 2.57"],
    ["of the newest", "PGBACKREST_ARCHIVE_PUSH_BATCH_SIZE", "1GiB", "it needs pgBackRest 2.59"],
    ["misspelt", "PGBACKREST_IO_TIMEOT", "5", "did you mean PGBACKREST_IO_TIMEOUT?"],
    ["misspelt for a repository", "PGBACKREST_REPO2_BUNDEL", "y", "did you mean PGBACKREST_REPO2_BUNDLE?"],
    ["that nobody knows", "PGBACKREST_MY_CUSTOM", "x", "pgBackRest has no such option"],
    ["of a Service", "PGBACKREST_SERVICE_HOST", "10.0.0.1", "pgBackRest has no such option"],
    ["that is nothing but the beginning", "PGBACKREST_", "x", "pgBackRest has no such option"],
    ["without a value", "PGBACKREST_IO_TIMEOUT", "", "has no value"],
    ["that is no flag", "PGBACKREST_RESUME", "true", "its value cannot be read (y or n)"],
    ["that is no time", "PGBACKREST_IO_TIMEOUT", "hunter2", "its value cannot be read"],
    ["that is no size", "PGBACKREST_BUFFER_SIZE", "1 MiB", "its value cannot be read"],
    ["that is no number", "PGBACKREST_TCP_KEEP_ALIVE_IDLE", "long", "a whole number"],
    ["with two lines", "PGBACKREST_REPO1_S3_ROLE", "a\nb", "one line of text"],
    ["of no time at all", "PGBACKREST_IO_TIMEOUT", "0", "does not take this value (100ms to 1h)"],
    ["of two hours", "PGBACKREST_IO_TIMEOUT", "2h", "100ms to 1h"],
    ["of a size between", "PGBACKREST_BUFFER_SIZE", "3MiB", "one of 16KiB, 32KiB"],
    ["of a size below", "PGBACKREST_REPO1_BUNDLE_SIZE", "1MB1", "its value cannot be read"],
    ["of a bundle too small", "PGBACKREST_REPO1_BUNDLE_SIZE", "512KiB", "1MiB to 1PiB"],
    ["of too many", "PGBACKREST_TCP_KEEP_ALIVE_COUNT", "99", "1 to 32"],
    ["that changes nothing and ends all", "PGBACKREST_COMPRESS_LEVEL_NETWORK", "99", "-5 to 12"],
    ["that leaves out data", "PGBACKREST_EXCLUDE", "base/", "could not be restored"],
  ])("%s", (_, name, value, said) => {
    const [problem, ...others] = problems({ [name]: value });
    expect(others).toEqual([]);
    expect(problem).toContain(`customEnvVar.${name}: `);
    expect(problem).toContain(said);
    expect(problem).not.toContain("hunter2");
  });
});

describe("two timeouts of pgBackRest", () => {
  const both = (protocol: string, db: string): readonly string[] =>
    problems({ PGBACKREST_PROTOCOL_TIMEOUT: protocol, PGBACKREST_DB_TIMEOUT: db });
  it("must leave one longer than the other", () => {
    expect(both("5m", "600")).toEqual([expect.stringContaining("must be longer than PGBACKREST_DB_TIMEOUT")]);
    expect(both("5m", "300s")).toHaveLength(1);
    expect(both("6m", "300")).toEqual([]);
    expect(both("soon", "300")).toEqual([expect.stringContaining("its value cannot be read")]);
  });
});
