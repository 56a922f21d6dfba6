// What one repository of a Stanza may say beyond its schema. Pure. What may be a secret in the wrong place is not repeated.
import { selectorProblems } from "#store/secret-selector.ts";
import type { StanzaSpec } from "./config.ts";
import type { SpecProblem } from "./spec-problem.ts";
import { imageVersion, needsVersion } from "./version.ts";

type Configuration = StanzaSpec["stanzaConfiguration"];
type S3 = NonNullable<Configuration["s3Repositories"]>[number];
type Azure = NonNullable<Configuration["azureRepositories"]>[number];
type Selector = S3["endpointCA"];

/** `at` is the repository's own path: "spec.stanzaConfiguration.s3Repositories[0]". */
export const s3Problems = (repository: S3, at: string): readonly SpecProblem[] => [
  ...bucketProblems(repository, at),
  ...endpointProblems(repository.endpoint, at),
  ...regionProblems(repository, at),
  ...s3LoginProblems(repository, at),
  ...selected(repository.secretRef?.accessKeyId, `${at}.secretRef.accessKeyId`),
  ...selected(repository.secretRef?.secretAccessKey, `${at}.secretRef.secretAccessKey`),
  ...sharedProblems(repository, at),
];

export const azureProblems = (repository: Azure, at: string): readonly SpecProblem[] => [
  ...accountProblems(repository, at),
  ...(repository.endpoint === undefined ? [] : endpointProblems(repository.endpoint, at)),
  ...azureLoginProblems(repository, at),
  ...selected(repository.secretRef?.keyReference, `${at}.secretRef.keyReference`),
  ...sharedProblems(repository, at),
];

export function repositoryWarnings(repository: S3 | Azure, at: string): readonly string[] {
  const { verifyTLS, endpointCA, retentionPolicy = {} } = repository;
  const warnings: string[] = [];
  if (verifyTLS === false) {
    warnings.push(`${at}.verifyTLS: is false: whoever is between can read and change what is stored`);
    if (endpointCA !== undefined) warnings.push(`${at}.endpointCA: has no effect while verifyTLS is false`);
  }
  return [...warnings, ...retentionWarnings(retentionPolicy, `${at}.retentionPolicy`)];
}

const sharedProblems = (repository: S3 | Azure, at: string): readonly SpecProblem[] => [
  ...pathProblems(repository, at),
  ...selected(repository.endpointCA, `${at}.endpointCA`),
  ...selected(repository.cipherConfig?.encryptionPass, `${at}.cipherConfig.encryptionPass`),
  ...retentionProblems(repository.retentionPolicy ?? {}, `${at}.retentionPolicy`),
];

const selected = (selector: Selector, field: string): readonly SpecProblem[] =>
  selector === undefined ? [] : selectorProblems(field, selector);

function bucketProblems({ bucket, verifyTLS = true }: S3, at: string): SpecProblem[] {
  const field = `${at}.bucket`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(bucket)) {
    const hint = "3 to 63 letters, digits, dots and hyphens, without s3:// and path";
    return [{ field, message: "not the name of a bucket", hint }];
  }
  if (!verifyTLS || !bucket.includes(".")) return [];
  const message = `pgBackRest ${imageVersion} verifies no certificate for a bucket with a dot in its name`;
  return [{ field, message, hint: "use a bucket without dots (2.58 takes them with uriStyle path)" }];
}

/** pgBackRest takes a host or an URL; a path in it would be ignored without a word. */
function endpointProblems(endpoint: string, at: string): SpecProblem[] {
  const field = `${at}.endpoint`;
  if (/^http:\/\//i.test(endpoint)) {
    const hint = "write https:// or the host alone, and verifyTLS: false or endpointCA for a certificate of your own";
    return [{ field, message: needsVersion("http without TLS", "2.58"), hint }];
  }
  const problem = (message: string): SpecProblem[] => [{ field, message, hint: "write host, host:port or https://…" }];
  const [server = "", path = ""] = splitEndpoint(endpoint);
  // The text itself is not repeated: it may hold a login.
  if (!isServer(server) || path.startsWith("//")) return problem("not a host");
  return path === "" || path === "/" ? [] : problem("has a path, which is ignored");
}

/** ["minio:9000", "/path"] */
function splitEndpoint(endpoint: string): readonly string[] {
  const text = endpoint.replace(/^https:\/\//, "");
  const end = text.indexOf("/");
  return end < 0 ? [text] : [text.slice(0, end), text.slice(end)];
}

function isServer(text: string): boolean {
  if (text.length > 300 || !/^[A-Za-z0-9.:[\]-]+$/.test(text)) return false;
  const url = URL.parse(`https://${text}`);
  return url !== null && url.hostname !== "" && url.port !== "0";
}

function regionProblems({ region }: S3, at: string): SpecProblem[] {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(region)) return [];
  return [{ field: `${at}.region`, message: "not the name of a region", hint: "such as us-east-1" }];
}

function accountProblems({ account, container }: Azure, at: string): SpecProblem[] {
  const problems: SpecProblem[] = [];
  if (!/^[a-z0-9]{3,24}$/.test(account)) {
    const hint = "3 to 24 small letters and digits, not the address";
    problems.push({ field: `${at}.account`, message: "not the name of a storage account", hint });
  }
  if (!/^[a-z0-9](-?[a-z0-9]){2,62}$/.test(container) && container !== "$root") {
    const hint = "3 to 63 small letters, digits and single hyphens";
    problems.push({ field: `${at}.container`, message: "not the name of a container", hint });
  }
  return problems;
}

/** Half a login would send pgBackRest to the instance metadata with the other half unused. */
function s3LoginProblems({ secretRef }: S3, at: string): SpecProblem[] {
  if (secretRef === undefined) return [];
  const { accessKeyId, secretAccessKey } = secretRef;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return [];
  if (accessKeyId === undefined && secretAccessKey === undefined)
    return [
      {
        field: `${at}.secretRef`,
        message: "names no key",
        hint: "give accessKeyId and secretAccessKey, or leave secretRef out to ask the instance metadata of EC2",
      },
    ];
  const missing = accessKeyId === undefined ? "accessKeyId" : "secretAccessKey";
  const hint = "keys come in pairs: accessKeyId and secretAccessKey";
  return [{ field: `${at}.secretRef.${missing}`, message: `${missing} is missing`, hint }];
}

function azureLoginProblems({ keyType = "shared", secretRef }: Azure, at: string): SpecProblem[] {
  if (keyType === "auto") {
    const message = needsVersion("the managed identity", "2.58");
    return [{ field: `${at}.keyType`, message, hint: "write shared or sas, and its key in secretRef.keyReference" }];
  }
  if (secretRef?.keyReference !== undefined) return [];
  const hint = keyType === "sas" ? "name the shared access signature" : "name the account's shared key, or write sas";
  return [{ field: `${at}.secretRef.keyReference`, message: `no login: keyType is ${keyType}`, hint }];
}

const pathBytesMax = 512;

function pathProblems({ repoPath }: S3 | Azure, at: string): SpecProblem[] {
  const problem = (message: string, hint: string): SpecProblem[] => [{ field: `${at}.repoPath`, message, hint }];
  if (!repoPath.startsWith("/")) return problem("does not begin with a slash", "write an absolute path, such as /pg");
  if (repoPath === "/")
    return problem("is the root, which is for everything in the bucket", "write a path, such as /pg");
  if (/[\p{C}\s\\:]/u.test(repoPath))
    return problem("holds spaces, colons, backslashes or control characters", "use letters, digits, - and _");
  if (
    repoPath
      .replace(/\/$/, "")
      .split("/")
      .slice(1)
      .some((part) => part === "" || part === "." || part === "..")
  )
    return problem('has a part that is empty, "." or ".."', "write the path without it");
  return Buffer.byteLength(repoPath) > pathBytesMax
    ? problem(`is longer than ${pathBytesMax} bytes`, "keys are at most 1024 bytes in all: shorten it")
    : [];
}

type Retention = NonNullable<S3["retentionPolicy"]>;

/** What pgBackRest would ignore: whoever wrote it expects something to be kept or removed. */
function retentionProblems({ full, fullType, diff, archive, archiveType }: Retention, at: string): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const add = (name: string, message: string, hint: string): void => {
    problems.push({ field: `${at}.${name}`, message, hint });
  };
  if (fullType !== undefined && full === undefined) add("fullType", "goes with full", "write full, or leave it out");
  if (archiveType !== undefined && archiveType !== "full" && archive === undefined)
    add("archiveType", "goes with archive", "write for how many backups WAL is kept, or leave it out");
  if (archive !== undefined && archiveType === "diff" && full === undefined && diff === undefined)
    add("archive", "nothing removes the backups that it counts", "write full or diff");
  return problems;
}

function retentionWarnings({ full, fullType, archive, archiveType = "full" }: Retention, at: string): string[] {
  if (full === undefined) return [`${at}.full: is not given, so no full backup is ever removed`];
  if (archive === undefined || archiveType !== "full" || fullType === "time") return [];
  if (archive < full)
    return [`${at}.archive: the ${archive} newest full backups reach any later moment, older ones only their own end`];
  return archive > full ? [`${at}.archive: more than full, which is ${full}: no WAL is kept beyond the backups`] : [];
}
