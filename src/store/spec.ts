// What an ObjectStore's spec must hold beyond its schema, and what of it this release can do. Pure: admission, the store
// controller and the sidecar all ask here, so that they say the same.
import type { ObjectStore as ObjectStoreResource } from "#api/gen/object-store.ts";
import { walCompressionNames } from "#codec/compression.ts";
import { parseArguments } from "./arguments.ts";
import type { TransferSettings } from "./config.ts";

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
  const found = /^s3:\/\/([^/?#]+)\/*([^?#]*)$/.exec(destinationPath);
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
  if (parseDestination(destinationPath) !== undefined) return [];
  const other = /^(gs|https?|azure):\/\//.exec(destinationPath);
  if (other !== null) {
    return [{ kind: "Unsupported", field, message: `not supported yet: ${other[0]}`, hint: "use s3://bucket/path" }];
  }
  const message = `${JSON.stringify(destinationPath)} is not the URL of a bucket`;
  return [{ kind: "InvalidSpec", field, message, hint: "write s3://bucket/path" }];
}

function endpointProblems({ endpointURL }: Configuration): SpecProblem[] {
  if (endpointURL === undefined) return [];
  const url = URL.parse(endpointURL);
  const isServer = url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
  if (isServer && url.username === "" && url.password === "") return [];
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
