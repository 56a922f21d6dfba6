import { describe, expect, it } from "vitest";
import { parseDestination, specProblems, specWarnings, type StoreSpec, transferSettings } from "./spec.ts";

type Configuration = StoreSpec["configuration"];
const key = (name: string) => ({ name: "login", key: name });

/** A store that is in order; `undefined` removes a field. */
const aSpec = (changes: { [Name in keyof Configuration]?: Configuration[Name] | undefined } = {}): StoreSpec => ({
  configuration: {
    destinationPath: "s3://backups/",
    s3Credentials: { accessKeyId: key("id"), secretAccessKey: key("secret") },
    ...changes,
  } as Configuration,
});

const problemsOf = (changes: Parameters<typeof aSpec>[0]): string[] =>
  specProblems(aSpec(changes)).map(
    ({ kind, field, message }) => `${kind} ${field.replace("spec.configuration", "")}: ${message}`,
  );

describe("an ObjectStore's spec", () => {
  it("has no problems when it is in order", () => {
    expect(specProblems(aSpec())).toEqual([]);
    expect(specProblems(aSpec({ s3Credentials: { inheritFromIAMRole: true, region: key("region") } }))).toEqual([]);
    expect(specProblems(aSpec({ endpointURL: "https://project.example/storage/v1/s3" }))).toEqual([]);
    expect(specProblems(aSpec({ wal: { compression: "zstd" }, data: { compression: "gzip" } }))).toEqual([]);
  });

  const { s3Credentials } = aSpec().configuration;
  const partMessage = 'the path has a part that is empty, "." or ".."';
  it.each<[string, Parameters<typeof aSpec>[0], string[]]>([
    [
      "a path that is no URL",
      { destinationPath: "backups/pg" },
      ['InvalidSpec .destinationPath: "backups/pg" is not the URL of a bucket'],
    ],
    [
      "a URL without a bucket",
      { destinationPath: "s3:///pg" },
      ['InvalidSpec .destinationPath: "s3:///pg" is not the URL of a bucket'],
    ],
    [
      "a login in the path",
      { destinationPath: "minio://me:s3cret@minio/backups" },
      ["InvalidSpec .destinationPath: this is not the URL of a bucket"],
    ],
    [
      "a token in the path",
      { destinationPath: "s3://backups/pg?token=s3cret" },
      ["InvalidSpec .destinationPath: this is not the URL of a bucket"],
    ],
    [
      "a bucket of Google",
      { destinationPath: "gs://backups/" },
      ["Unsupported .destinationPath: not supported yet: gs://"],
    ],
    [
      "a container of Azure",
      { destinationPath: "https://a.blob.core.windows.net/c" },
      ["Unsupported .destinationPath: not supported yet: https://"],
    ],
    [
      "an endpoint without a scheme",
      { endpointURL: "minio:9000" },
      ["InvalidSpec .endpointURL: not the URL of a server"],
    ],
    [
      "a login in the endpoint",
      { endpointURL: "http://me:secret@minio:9000" },
      ["InvalidSpec .endpointURL: not the URL of a server"],
    ],
    ["no credentials at all", { s3Credentials: undefined }, ["InvalidSpec .s3Credentials: no credentials"]],
    ["empty credentials", { s3Credentials: {} }, ["InvalidSpec .s3Credentials: neither keys nor inheritFromIAMRole"]],
    [
      "half a key pair",
      { s3Credentials: { accessKeyId: key("id") } },
      ["InvalidSpec .s3Credentials.secretAccessKey: secretAccessKey is missing"],
    ],
    [
      "the other half",
      { s3Credentials: { secretAccessKey: key("s") } },
      ["InvalidSpec .s3Credentials.accessKeyId: accessKeyId is missing"],
    ],
    [
      "a token without keys",
      { s3Credentials: { sessionToken: key("t") } },
      ["InvalidSpec .s3Credentials.accessKeyId: accessKeyId is missing"],
    ],
    [
      "keys beside a role",
      { s3Credentials: { ...s3Credentials, inheritFromIAMRole: true } },
      ["InvalidSpec .s3Credentials: keys and inheritFromIAMRole exclude each other"],
    ],
    [
      "another cloud",
      { s3Credentials: undefined, azureCredentials: { inheritFromAzureAD: true } },
      ["Unsupported .azureCredentials: not supported yet: azureCredentials"],
    ],
    [
      "two clouds",
      { googleCredentials: { gkeEnvironment: true } },
      ["InvalidSpec : s3Credentials and googleCredentials exclude each other"],
    ],
    [
      "a compression to come",
      { wal: { compression: "lz4" } },
      ["Unsupported .wal.compression: not supported yet: lz4"],
    ],
    [
      "one of base backups",
      { data: { compression: "snappy" } },
      ["Unsupported .data.compression: not supported yet: snappy"],
    ],
    [
      "an argument that we do not know",
      { data: { additionalCommandArgs: ["--max-archive-size=1GB"] } },
      [
        "InvalidSpec .data.additionalCommandArgs: --max-archive-size is not known here; known are --min-chunk-size, --read-timeout, --max-bandwidth, --max-concurrency",
      ],
    ],
    ["a path upwards", { destinationPath: "s3://backups/../x" }, [`InvalidSpec .destinationPath: ${partMessage}`]],
    ["an empty part", { destinationPath: "s3://backups/a//b" }, [`InvalidSpec .destinationPath: ${partMessage}`]],
    [
      "a line break in the path",
      { destinationPath: "s3://backups/a\nb" },
      ["InvalidSpec .destinationPath: the path holds spaces, backslashes or control characters"],
    ],
    [
      "a login in the destination",
      { destinationPath: "s3://me:hunter2@backups/" },
      ["InvalidSpec .destinationPath: not the name of a bucket"],
    ],
    [
      "a path longer than any key",
      { destinationPath: `s3://backups/${"x".repeat(600)}` },
      ["InvalidSpec .destinationPath: the path is longer than 512 bytes"],
    ],
    [
      "an authority for a line in clear text",
      { endpointURL: "http://minio:9000", endpointCA: key("ca.crt") },
      ["InvalidSpec .endpointCA: nothing is verified, because endpointURL is http and not https"],
    ],
    [
      "a Secret that cannot be",
      { s3Credentials: { ...s3Credentials, accessKeyId: { name: "Not A Name", key: "a b" } } },
      [
        "InvalidSpec .s3Credentials.accessKeyId.name: cannot be the name of a Secret",
        "InvalidSpec .s3Credentials.accessKeyId.key: cannot be a key of a Secret",
      ],
    ],
    [
      "more tags than S3 takes",
      { tags: Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`t${n}`, "x"])) },
      ["InvalidSpec .tags: an object has at most 10 tags, these are 11"],
    ],
    [
      "tags that S3 refuses",
      { tags: { "aws:a": "x" }, historyTags: { b: "x\ny" } },
      ["InvalidSpec .tags.aws:a: S3 refuses this tag", "InvalidSpec .historyTags.b: S3 refuses this tag"],
    ],
  ])("is refused with %s", (_, changes, problems) => {
    expect(problemsOf(changes)).toEqual(problems);
  });

  it("never repeats a password that stands in a URL", () => {
    expect(JSON.stringify(specProblems(aSpec({ endpointURL: "http://me:hunter2@minio" })))).not.toContain("hunter2");
    expect(JSON.stringify(specProblems(aSpec({ destinationPath: "s3://me:hunter2@b/" })))).not.toContain("hunter2");
  });

  it("tells all its problems at once", () => {
    expect(problemsOf({ destinationPath: "x", s3Credentials: {}, wal: { compression: "xz" } })).toHaveLength(3);
  });

  it("warns of what has no effect", () => {
    const lists = {
      wal: { archiveAdditionalCommandArgs: ["-vv"] },
      data: { additionalCommandArgs: ["--read-timeout=60", "-q"] },
    };
    expect(specWarnings(aSpec(lists))).toEqual([
      "spec.configuration.wal.archiveAdditionalCommandArgs: -vv has no effect",
      "spec.configuration.data.additionalCommandArgs: -q has no effect",
    ]);
  });
});

describe("destinationPath", () => {
  it.each([
    ["s3://backups", "backups", ""],
    ["s3://backups/", "backups", ""],
    ["s3://backups/pg", "backups", "pg/"],
    ["s3://backups/a/b/", "backups", "a/b/"],
    ["s3://backups//a", "backups", "a/"],
  ])("%s is bucket %s with prefix %j", (path, bucket, prefix) => {
    expect(parseDestination(path)).toEqual({ bucket, prefix });
  });
});

describe("transfer settings", () => {
  it("are taken from the four lists", () => {
    const { configuration } = aSpec({
      wal: {
        archiveAdditionalCommandArgs: ["--max-concurrency=9", "--read-timeout=10"],
        restoreAdditionalCommandArgs: ["--read-timeout=90"],
      },
      data: { additionalCommandArgs: ["--max-concurrency=2", "--min-chunk-size=6MB"] },
    });
    expect(transferSettings(configuration)).toEqual({ parallelMost: 2, partBytesLeast: 6 * 1024 ** 2, idleMs: 90_000 });
    expect(transferSettings(aSpec().configuration)).toEqual({});
  });
});
