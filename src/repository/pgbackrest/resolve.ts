// From a Stanza object to a stanza that can be used: the spec checked, its Secrets read. Knows no API server: the caller
// brings the function that reads one key of a Secret.
import type { Stanza } from "#api/gen/stanza.ts";
import type { CallOptions } from "#store/call.ts";
import { StoreConfigError } from "#store/config.ts";
import { readTrimmed, type ReadSecret, type SecretSelector } from "#store/resolve.ts";
import { azureKeyProblem } from "./azure-key.ts";
import type { RepositoryConfig, RepositoryCredentials, StanzaConfig, StanzaSpec } from "./config.ts";
import { parseSize } from "./size.ts";
import { parseDays, stanzaProblems } from "./spec.ts";

type Configuration = StanzaSpec["stanzaConfiguration"];
type S3Spec = NonNullable<Configuration["s3Repositories"]>[number];
type AzureSpec = NonNullable<Configuration["azureRepositories"]>[number];

const getQueueDefault = "128MiB";
const fullEveryDefault = "7d";
const chainMaxDefault = 30;
/** It becomes a file in the memory of the operator's pod; the authorities of the whole web are about 220 000. */
const authoritiesMax = 262_144;

/** Throws the first problem as StoreConfigError, with the field that it is about. */
export async function resolveStanzaConfig(
  { spec }: Pick<Stanza, "spec">,
  readSecret: ReadSecret,
  options: CallOptions,
): Promise<StanzaConfig> {
  const [problem] = stanzaProblems(spec);
  if (problem !== undefined) throw new StoreConfigError("InvalidSpec", problem.message, problem);
  const { stanzaConfiguration: written, backup = {} } = spec;
  const read = (field: string, selector: SecretSelector | undefined): Promise<string | undefined> =>
    selector === undefined ? Promise.resolve(undefined) : readTrimmed(field, () => readSecret(selector, options));
  const resolved: Resolved[] = [];
  for (const [index, repository] of (written.s3Repositories ?? []).entries())
    resolved.push(await resolveS3(repository, { key: resolved.length + 1, field: fieldOf("s3", index), read }));
  for (const [index, repository] of (written.azureRepositories ?? []).entries())
    resolved.push(await resolveAzure(repository, { key: resolved.length + 1, field: fieldOf("azure", index), read }));
  const { archive = {}, compressConfig } = written;
  return {
    stanza: written.name,
    repositories: resolved.map(({ repository }) => repository),
    credentials: { kind: "repositories", each: resolved.map(({ credentials }) => credentials) },
    processMax: written.processMax ?? 1,
    archive: {
      async: archive.async ?? false,
      ...(archive.pushQueueMax !== undefined && {
        pushQueueMax: archive.pushQueueMax,
        pushQueueBytes: parseSize(archive.pushQueueMax),
      }),
      getQueueBytes: parseSize(archive.getQueueMax ?? getQueueDefault),
    },
    ...(compressConfig !== undefined && { compression: compressConfig }),
    startFast: written.startFast ?? false,
    delta: written.delta ?? false,
    logLevel: written.logLevel ?? "warn",
    backup: {
      fullEveryDays: parseDays(backup.fullEvery ?? fullEveryDefault),
      chainMax: backup.chainMax ?? chainMaxDefault,
    },
    variables: written.customEnvVar ?? {},
  };
}

interface Resolved {
  readonly repository: RepositoryConfig;
  readonly credentials: RepositoryCredentials;
}

interface Place {
  readonly key: number;
  /** "spec.stanzaConfiguration.s3Repositories[0]" */
  readonly field: string;
  readonly read: (field: string, selector: SecretSelector | undefined) => Promise<string | undefined>;
}

const fieldOf = (kind: "s3" | "azure", index: number): string =>
  `spec.stanzaConfiguration.${kind}Repositories[${index}]`;

async function resolveS3(written: S3Spec, place: Place): Promise<Resolved> {
  const { key, field, read } = place;
  const accessKeyId = await read(`${field}.secretRef.accessKeyId`, written.secretRef?.accessKeyId);
  const secretAccessKey = await read(`${field}.secretRef.secretAccessKey`, written.secretRef?.secretAccessKey);
  const { bucket, endpoint, region } = written;
  return {
    repository: { key, type: "s3", bucket, endpoint, region, ...(await shared(written, place)) },
    credentials: {
      ...(accessKeyId !== undefined && { accessKeyId }),
      ...(secretAccessKey !== undefined && { secretAccessKey }),
      ...(await passphraseOf(written, place)),
    },
  };
}

async function resolveAzure(written: AzureSpec, place: Place): Promise<Resolved> {
  const { key, field, read } = place;
  const accountKey = await read(`${field}.secretRef.keyReference`, written.secretRef?.keyReference);
  const { account, container, endpoint, keyType = "shared" } = written;
  const problem = accountKey === undefined ? undefined : azureKeyProblem(keyType, accountKey);
  if (problem !== undefined) {
    const { message, hint } = problem;
    throw new StoreConfigError("InvalidSpec", message, { field: `${field}.secretRef.keyReference`, hint });
  }
  return {
    repository: {
      key,
      type: "azure",
      container,
      keyType,
      ...(endpoint !== undefined && { endpoint }),
      ...(await shared(written, place)),
    },
    credentials: {
      account,
      ...(accountKey !== undefined && { accountKey }),
      ...(await passphraseOf(written, place)),
    },
  };
}

async function shared(written: S3Spec | AzureSpec, { field, read }: Place) {
  const ca = await read(`${field}.endpointCA`, written.endpointCA);
  if (ca !== undefined && ca.length > authoritiesMax)
    throw new StoreConfigError("InvalidSpec", `the secret's value is longer than ${authoritiesMax} characters`, {
      field: `${field}.endpointCA`,
      hint: "put only the authorities there that the endpoint needs",
    });
  return {
    path: written.repoPath,
    verifyTls: written.verifyTLS ?? true,
    ...(written.uriStyle !== undefined && { uriStyle: written.uriStyle }),
    ...(ca !== undefined && { ca }),
    ...(written.retentionPolicy !== undefined && { retention: written.retentionPolicy }),
  };
}

async function passphraseOf({ cipherConfig }: S3Spec | AzureSpec, { field, read }: Place) {
  const passphrase = await read(`${field}.cipherConfig.encryptionPass`, cipherConfig?.encryptionPass);
  return passphrase === undefined ? {} : { passphrase };
}
