// What an ObjectStore's spec must hold beyond its schema, and what of it this release can do. Pure: admission, the store
// controller and the sidecar all ask here, so that they say the same.
import type { ObjectStore as ObjectStoreResource } from "#api/gen/object-store.ts";
import { walCompressionNames } from "#codec/compression.ts";
import { parseArguments } from "./arguments.ts";
import type { TransferSettings } from "./config.ts";
import { selectorProblems } from "./secret-selector.ts";

export type StoreSpec = ObjectStoreResource["spec"];
type Configuration = StoreSpec["configuration"];

export interface SpecProblem {
  readonly kind: "InvalidSpec" | "Unsupported";
  /** Path from the object: "spec.configuration.destinationPath". */
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
}

export interface Destination {
  readonly bucket: string;
  /** "" or a path that ends in "/". */
  readonly prefix: string;
}

/** Everything that stands in the way of opening the store; empty when nothing does. */
export const specProblems = (spec: StoreSpec): readonly SpecProblem[] => [
  ...destinationProblems(spec.configuration),
  ...endpointProblems(spec.configuration),
  ...cloudProblems(spec.configuration),
  ...keyProblems(spec.configuration),
  ...secretKeys(spec.configuration).flatMap(secretKeyProblems),
  ...tagProblems("tags", spec.configuration.tags),
  ...tagProblems("historyTags", spec.configuration.historyTags),
  ...compressionProblems(spec.configuration),
  ...argumentLists(spec.configuration).flatMap(argumentProblems),
];

/** What is accepted but has no effect, one sentence each. */
export const specWarnings = (spec: StoreSpec): readonly string[] =>
  argumentLists(spec.configuration).flatMap(({ field, list }) =>
    parseArguments(list).ignored.map((argument) => `${field}: ${argument} has no effect`),
  );

/**
 * Bucket and prefix as barman-cloud 3.19 derives them: the path without leading slashes, joined to keys by one slash.
 * undefined when it is not an S3 URL with a bucket.
 */
export function parseDestination(destinationPath: string): Destination | undefined {
  // Each letter can match in one place only: any text is read in one go, however long.
  const found = /^s3:\/\/([^/?#]+)\/*((?:[^/?#][^?#]*)?)$/.exec(destinationPath);
  if (found === null) return undefined;
  const [, bucket = "", path = ""] = found;
  return { bucket, prefix: path === "" || path.endsWith("/") ? path : `${path}/` };
}

/**
 * The lists of arguments for barman's programs as the settings of one store: only uploads in parts have the others, where
 * the list of the backup counts before that of the WAL archive, and the longest timeout is everybody's.
 */
export function transferSettings(configuration: Configuration): TransferSettings {
  const [archive, restoreWal, backup, restoreData] = argumentLists(configuration).map(
    ({ list }) => parseArguments(list).settings,
  );
  const timeouts = [archive, restoreWal, backup, restoreData].flatMap((settings) => settings?.idleMs ?? []);
  const { idleMs: _, ...uploads } = { ...archive, ...backup };
  return timeouts.length === 0 ? uploads : { ...uploads, idleMs: Math.max(...timeouts) };
}

const at = (field: string): string => `spec.configuration.${field}`;

function destinationProblems({ destinationPath }: Configuration): SpecProblem[] {
  const field = at("destinationPath");
  const destination = parseDestination(destinationPath);
  if (destination !== undefined) return placeProblems(destination);
  const other = /^(gs|https?|azure):\/\//.exec(destinationPath);
  if (other !== null) {
    return [{ kind: "Unsupported", field, message: `not supported yet: ${other[0]}`, hint: "use s3://bucket/path" }];
  }
  // Not repeated where it may hold a login or a token.
  const shown = /[@?#]/.test(destinationPath) ? "this" : JSON.stringify(destinationPath);
  const message = `${shown} is not the URL of a bucket`;
  return [{ kind: "InvalidSpec", field, message, hint: "write s3://bucket/path" }];
}

/** What S3 and its lookalikes refuse, or each understands in its own way. Names are not repeated: they may hold a login. */
function placeProblems({ bucket, prefix }: Destination): SpecProblem[] {
  const field = at("destinationPath");
  const problem = (message: string, hint: string): SpecProblem[] => [{ kind: "InvalidSpec", field, message, hint }];
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(bucket))
    return problem("not the name of a bucket", "3 to 63 letters, digits, dots and hyphens: s3://bucket/path");
  if (/[\p{C}\s\\]/u.test(prefix))
    return problem("the path holds spaces, backslashes or control characters", "use letters, digits, - and _");
  if (
    prefix
      .split("/")
      .slice(0, -1)
      .some((part) => part === "" || part === "." || part === "..")
  )
    return problem('the path has a part that is empty, "." or ".."', "write the path without it");
  if (Buffer.byteLength(prefix) > prefixBytesMax)
    return problem(`the path is longer than ${prefixBytesMax} bytes`, "keys are at most 1024 bytes in all: shorten it");
  return [];
}

const prefixBytesMax = 512;

function endpointProblems({ endpointURL, endpointCA }: Configuration): SpecProblem[] {
  if (endpointURL === undefined) return [];
  const url = URL.parse(endpointURL);
  const isServer = url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
  if (isServer && url.username === "" && url.password === "") {
    if (endpointCA === undefined || url.protocol === "https:") return [];
    const message = "nothing is verified, because endpointURL is http and not https";
    const hint = "write https in endpointURL, or leave endpointCA out";
    return [{ kind: "InvalidSpec", field: at("endpointCA"), message, hint }];
  }
  // The URL itself is not repeated: it may hold a password.
  const hint = "write http://host:port or https://host:port";
  return [{ kind: "InvalidSpec", field: at("endpointURL"), message: "not the URL of a server", hint }];
}

function cloudProblems({ s3Credentials, azureCredentials, googleCredentials }: Configuration): SpecProblem[] {
  const given = Object.entries({ s3Credentials, azureCredentials, googleCredentials }).flatMap(([name, value]) =>
    value ? [name] : [],
  );
  if (given.length > 1) {
    const hint = "keep the one of the provider that destinationPath names";
    return [
      { kind: "InvalidSpec", field: "spec.configuration", message: `${given.join(" and ")} exclude each other`, hint },
    ];
  }
  const [name] = given;
  if (name === undefined) {
    return [
      {
        kind: "InvalidSpec",
        field: at("s3Credentials"),
        message: "no credentials",
        hint: "give the key pair or inheritFromIAMRole",
      },
    ];
  }
  return name === "s3Credentials"
    ? []
    : [{ kind: "Unsupported", field: at(name), message: `not supported yet: ${name}`, hint: "use s3Credentials" }];
}

function keyProblems({ s3Credentials }: Configuration): SpecProblem[] {
  if (s3Credentials === undefined) return [];
  const { accessKeyId, secretAccessKey, sessionToken, inheritFromIAMRole = false } = s3Credentials;
  const problem = (name: string, message: string, hint: string): SpecProblem[] => [
    { kind: "InvalidSpec", field: at(`s3Credentials${name}`), message, hint },
  ];
  const anyKey = accessKeyId ?? secretAccessKey ?? sessionToken;
  if (inheritFromIAMRole) {
    return anyKey === undefined
      ? []
      : problem("", "keys and inheritFromIAMRole exclude each other", "remove one of them");
  }
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return [];
  if (anyKey === undefined)
    return problem("", "neither keys nor inheritFromIAMRole", "give the key pair or inheritFromIAMRole: true");
  const missing = accessKeyId === undefined ? "accessKeyId" : "secretAccessKey";
  return problem(`.${missing}`, `${missing} is missing`, "keys come in pairs: accessKeyId and secretAccessKey");
}

function compressionProblems({ wal, data }: Configuration): SpecProblem[] {
  const problems: SpecProblem[] = [];
  const check = (field: string, value: string | undefined, supported: readonly string[]): void => {
    if (value === undefined || supported.includes(value)) return;
    const hint = `use ${supported.join(" or ")}, or leave it out for none`;
    problems.push({ kind: "Unsupported", field: at(field), message: `not supported yet: ${value}`, hint });
  };
  check(
    "wal.compression",
    wal?.compression,
    walCompressionNames.filter((name) => name !== "none"),
  );
  check("data.compression", data?.compression, ["gzip"]);
  return problems;
}

interface SecretKey {
  readonly field: string;
  readonly name: string;
  readonly key: string;
}

const secretKeys = ({ endpointCA, s3Credentials = {} }: Configuration): readonly SecretKey[] => {
  const { accessKeyId, secretAccessKey, region, sessionToken } = s3Credentials;
  const named = Object.entries({ accessKeyId, secretAccessKey, region, sessionToken });
  return [
    ...(endpointCA ? [{ ...endpointCA, field: at("endpointCA") }] : []),
    ...named.flatMap(([name, selector]) => (selector ? [{ ...selector, field: at(`s3Credentials.${name}`) }] : [])),
  ];
};

const secretKeyProblems = ({ field, name, key }: SecretKey): SpecProblem[] =>
  selectorProblems(field, { name, key }).map((problem) => ({ kind: "InvalidSpec", ...problem }));

const tagsMax = 10;

/** S3 refuses the whole object when one of its tags is wrong. */
function tagProblems(name: string, tags: Readonly<Record<string, string>> = {}): SpecProblem[] {
  const entries = Object.entries(tags);
  const problem = (field: string, message: string, hint: string): SpecProblem => ({
    kind: "InvalidSpec",
    field,
    message,
    hint,
  });
  const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
  const wrong = entries.slice(0, 50).filter(([key, value]) => {
    const isKey = key !== "" && key.length <= 128 && allowed.test(key) && !/^aws:/i.test(key);
    return !isKey || value.length > 256 || !allowed.test(value);
  });
  return [
    ...(entries.length > tagsMax
      ? [problem(at(name), `an object has at most ${tagsMax} tags, these are ${entries.length}`, "remove some")]
      : []),
    ...wrong.map(([key]) =>
      problem(
        `${at(name)}.${key.slice(0, 128)}`,
        "S3 refuses this tag",
        "a key of 1 to 128 and a value of at most 256 letters, digits, spaces and + - = . _ : / @; no aws: in front",
      ),
    ),
  ];
}

interface ArgumentList {
  readonly field: string;
  readonly list: readonly string[];
}

/** WAL archive, WAL restore, backup, restore: in this order. */
const argumentLists = ({ wal, data }: Configuration): readonly ArgumentList[] => [
  { field: at("wal.archiveAdditionalCommandArgs"), list: wal?.archiveAdditionalCommandArgs ?? [] },
  { field: at("wal.restoreAdditionalCommandArgs"), list: wal?.restoreAdditionalCommandArgs ?? [] },
  { field: at("data.additionalCommandArgs"), list: data?.additionalCommandArgs ?? [] },
  { field: at("data.restoreAdditionalCommandArgs"), list: data?.restoreAdditionalCommandArgs ?? [] },
];

const argumentProblems = ({ field, list }: ArgumentList): SpecProblem[] =>
  parseArguments(list).problems.map((message) => ({ kind: "InvalidSpec", field, message }));
